{{
    config(
        materialized='incremental',
        incremental_strategy='whole_keys',
        unique_key='dispute_key',
        on_schema_change='fail',
    )
}}
-- noqa: disable=LT02,LT05,LT14,RF02,RF03,ST03,ST05
-- An update alone reads it: depends_on: {{ ref('int_transaction_histories') }}
with

known as (
    select
        *,
        program || '/' || transaction_id as transaction_key
    from {{ ref('int_dispute_states') }}
    where known_on is not null
),

{% if is_update() %}
-- A dispute's rate changes with the dispute, and with its transaction.
touched as (
    select dispute_key from {{ ref('int_dispute_states') }} where {{ changed_since_built() }}
    union
    select dispute_key from known
    where
        transaction_key in (
            select transaction_key from {{ ref('int_transaction_histories') }}
            where {{ changed_since_built() }}
        )
),
{% endif %}

states as (
    select
        *,
        lead(known_on) over (
            partition by dispute_key
            order by known_on
        ) as replaced_on
    from known
    {% if is_update() %}
        where dispute_key in (select touched.dispute_key from touched)
    {% endif %}
),

disputed as (
    select * from states
    where has_reached_chargeback and transaction_key is not null
),

sales as (
    select * from {{ ref('int_transaction_spans') }}
    where
        status in ('completed', 'refunded')
        and transaction_key in (select disputed.transaction_key from disputed)
),

-- A dispute is in the rates while it has reached the chargeback stage and its sale is settled.
pieces as (
    select
        disputed.dispute_key,
        sales.program,
        sales.transaction_id,
        greatest(disputed.known_on, sales.known_from_on) as known_from_on,
        least(disputed.replaced_on, sales.replaced_on) as replaced_on,
        sales.payment_method,
        sales.currency,
        {{ month_of(utc_date('sales.created_at')) }} as sale_month,
        {{ month_of('disputed.opened_on') }} as dispute_month,
        case when disputed.dispute_currency = sales.currency then disputed.dispute_amount_minor end
            as dispute_value_minor
    from disputed
    inner join sales
        on
            disputed.transaction_key = sales.transaction_key
            and (sales.replaced_on is null or disputed.known_on < sales.replaced_on)
            and (disputed.replaced_on is null or disputed.replaced_on > sales.known_from_on)
),

final as (
    select
        {{ 'touched' if is_update() else 'pieces' }}.dispute_key,
        pieces.{{ all_columns_but('dispute_key') }}
    {% if is_update() %}
    from touched
    left join pieces on touched.dispute_key = pieces.dispute_key
    {% else %}
    from pieces
    {% endif %}
)

select * from final
