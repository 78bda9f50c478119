with

balances as (
    select * from {{ ref('fct_daily_balances') }}
),

final as (
    select
        account_key,
        program,
        user_id,
        currency,
        min(business_date) as first_balance_on,
        max(business_date) as last_balance_on,
        max_by(available_minor, business_date) as available_minor,
        max_by(held_minor, business_date) as held_minor,
        max_by(ledger_minor, business_date) as ledger_minor
    from balances
    group by account_key, program, user_id, currency
)

select * from final
