{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='business_date',
        on_schema_change='fail',
    )
}}

with

balances as (
    select * from {{ ref('stg_lake__balances') }}
    {% if is_incremental() %}
        where business_date in ({{ business_dates_to_build(ref('stg_lake__balances')) }})
    {% endif %}
),

final as (
    select
        balance_key,
        account_key,
        program,
        user_id,
        currency,
        business_date,
        available_minor,
        held_minor,
        ledger_minor,
        ledger_seq
    from balances
)

select * from final
