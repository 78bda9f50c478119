{{
    config(
        materialized='incremental',
        incremental_strategy='whole_dates',
        on_schema_change='fail',
        meta={'lake_tables': ['balances'], 'published_by_month_of': 'business_date'},
    )
}}
{%- set touched = touched_dates('balances') %}

with

balances as (
    select * from {{ ref('stg_lake__balances') }}
    {% if touched is not none %}
        where {{ is_on(touched.present) }}
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
