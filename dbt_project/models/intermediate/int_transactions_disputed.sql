{{ config(materialized='table') }}

with

disputes as (
    select * from {{ ref('int_disputes_current') }}
    where has_reached_chargeback and transaction_id is not null
),

final as (
    select
        program || '/' || transaction_id as match_key,
        program,
        transaction_id,
        count(*) as dispute_count,
        min(received_on) as disputed_on
    from disputes
    group by program, transaction_id
)

select * from final
