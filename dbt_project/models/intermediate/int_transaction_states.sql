{{
    config(
        materialized='incremental',
        incremental_strategy='whole_keys',
        unique_key='transaction_key',
        on_schema_change='fail',
    )
}}
{%- set columns = (
    'transaction_key', 'program', 'transaction_id', 'status', 'error_code', 'amount_minor', 'currency',
    'payment_method', 'provider', 'created_at'
) | join(', ') -%}
{%- set histories = ref('int_transaction_histories') -%}
{%- set read_on = dates_of_changed_histories(histories) if is_update() else none %}
-- noqa: disable=LT02,LT05,LT14,RF02,RF03,ST03,ST05
with

histories as (
    select * from {{ ref('int_transaction_histories') }}
    {% if is_update() %}
        where {{ changed_since_built() }}
    {% endif %}
),

-- Most transactions arrived on one date, and their history is their state since then.
several as (
    select transaction_key from histories
    where first_arrived_on < last_arrived_on
),

-- A version is the state from its date on until a newer one arrives. Where that came first, it never was.
versions as (
    select
        {{ columns }},
        business_date as known_from_on,
        min(business_date) over (
            partition by transaction_key
            order by changed_at, intake_id, row_number
            rows between 1 following and unbounded following
        ) as replaced_on
    from {{ ref('stg_lake__transactions') }}
    where
        transaction_key in (select several.transaction_key from several)
        {% if is_update() %}
            and {{ is_on(read_on) }}
        {% endif %}
),

states as (
    select * from versions
    where replaced_on is null or replaced_on > known_from_on
),

final as (
    select
        {{ 'histories' if is_update() else 'states' }}.transaction_key,
        states.{{ all_columns_but('transaction_key') }}
    {% if is_update() %}
    from histories
    left join states on histories.transaction_key = states.transaction_key
    {% else %}
    from states
    {% endif %}
)

select * from final
