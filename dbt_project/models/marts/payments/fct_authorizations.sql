{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='business_date',
        on_schema_change='fail',
    )
}}

with

decisions as (
    select * from {{ ref('int_decisions_filtered') }}
    {% if is_incremental() %}
        where business_date in ({{ business_dates_to_build(ref('int_decisions_filtered')) }})
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
