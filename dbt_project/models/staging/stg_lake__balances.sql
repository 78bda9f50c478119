{{ config(meta={'lake_tables': ['balances']}) }}

with

source as (
    select * from {{ source('lake', 'balances') }}
),

final as (
    select
        business_date || '/' || program || '/' || currency || '/' || user_id as balance_key,
        program || '/' || currency || '/' || user_id as account_key,
        program,
        user_id,
        currency,
        available_minor,
        held_minor,
        ledger_minor,
        ledger_seq,
        business_date
    from source
)

select * from final
