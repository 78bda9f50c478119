{{ config(meta={'lake_tables': ['transaction_log']}) }}

with

source as (
    select * from {{ source('lake', 'transaction_log') }}
),

final as (
    select
        program || '/' || kind || '/' || event_key as log_entry_key,
        program,
        kind,
        event_key,
        transaction_id,
        user_id,
        currency,
        amount_minor,
        posted_minor,
        held_change_minor,
        status,
        reason_code,
        is_capture,
        remaining_minor,
        ledger_seq,
        occurred_at,
        merchant_id,
        channel,
        business_date
    from source
)

select * from final
