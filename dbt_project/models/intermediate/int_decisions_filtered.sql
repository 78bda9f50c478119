{{ config(meta={'lake_tables': ['transaction_log']}) }}

with

log_entries as (
    select * from {{ ref('stg_lake__log_entries') }}
),

final as (
    select * from log_entries
    where kind = 'decision'
)

select * from final
