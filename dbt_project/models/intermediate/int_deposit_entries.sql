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
        log_entry_key,
        program,
        kind,
        -- A deposit's credits are numbered: its first one has no number in the key.
        split_part(event_key, '/', 1) as deposit_id,
        cast(coalesce(nullif(split_part(event_key, '/', 2), ''), '1') as integer)
            as credit_number,
        user_id,
        currency,
        amount_minor,
        ledger_seq,
        occurred_at as posted_at,
        business_date
    from log_entries
    where kind in ('deposit', 'recall', 'reinstatement')
)

select * from final
