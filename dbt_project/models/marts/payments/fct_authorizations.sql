{{
    config(
        materialized='incremental',
        incremental_strategy='whole_dates',
        on_schema_change='fail',
        meta={'lake_tables': ['transaction_log'], 'published_by_month_of': 'business_date'},
    )
}}
{%- set touched = touched_dates('transaction_log') %}

with

decisions as (
    select * from {{ ref('int_decisions_filtered') }}
    {% if touched is not none %}
        where {{ is_on(touched.present) }}
    {% endif %}
),

final as (
    select
        program || '/' || transaction_id as authorization_key,
        program || '/' || currency || '/' || user_id as account_key,
        program,
        transaction_id,
        user_id,
        currency,
        amount_minor,
        status,
        reason_code,
        is_capture,
        remaining_minor,
        merchant_id,
        channel,
        ledger_seq,
        occurred_at as decided_at,
        business_date
    from decisions
)

select * from final
