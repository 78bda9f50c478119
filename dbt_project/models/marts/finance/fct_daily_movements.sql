{{
    config(
        materialized='incremental',
        incremental_strategy='whole_dates',
        on_schema_change='fail',
        meta={'lake_tables': ['transaction_log']},
    )
}}
{%- set touched = touched_dates('transaction_log') %}
with

log_entries as (
    select * from {{ ref('stg_lake__log_entries') }}
    {% if touched is not none %}
        where {{ is_on(touched.present) }}
    {% endif %}
),

final as (
    select
        concat_ws('/', business_date, program, currency, kind) as daily_movement_key,
        program,
        currency,
        kind,
        business_date,
        count(*) as entry_count,
        cast({{ exact_sum('posted_minor') }} as decimal(38, 0)) as posted_minor,
        cast({{ exact_sum('held_change_minor') }} as decimal(38, 0)) as held_change_minor
    from log_entries
    -- A void that came before its authorization is logged, but has no account yet.
    where
        coalesce(status, 'PERMIT') = 'PERMIT'
        and currency is not null
    group by program, currency, kind, business_date
)

select * from final
