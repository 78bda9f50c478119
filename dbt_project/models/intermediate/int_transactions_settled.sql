{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='match_key',
        on_schema_change='fail',
    )
}}
{%- set order_of -%} program || '/' || order_id {%- endset %}
-- noqa: disable=LT02,LT05,LT14,RF02,RF03,ST03,ST05
with

histories as {{ read_anew() }} (
    select * from {{ ref('int_transaction_histories') }}
),

{% if is_update() %}
-- Whatever an order's transactions were and are: each is compared with the others.
touched_orders as (
    select {{ order_of }} as order_key from histories where {{ changed_since_built() }}
    union
    select {{ order_of }} as order_key from {{ this }}
    where
        match_key in (
            select histories.transaction_key from histories where {{ changed_since_built() }}
        )
),
{% endif %}

settled as {{ read_anew() if not is_update() }} (
    select
        *,
        {{ order_of }} as order_key
    from histories
    where
        status in ('completed', 'refunded')
        {% if is_update() %}
            and {{ order_of }} in (select touched_orders.order_key from touched_orders)
        {% endif %}
),

-- Most orders have one settled transaction.
repeated as (
    select hash(order_key) as order_hash
    from settled
    group by hash(order_key)
    having count(*) > 1
),

compared as (
    select
        transaction_key,
        -- The same money for the same order under another id, settled before and not refunded.
        case
            when status = 'completed'
                then lag(transaction_id) over (
                    partition by program, order_id, currency, amount_minor, status
                    order by settled_on, created_at, transaction_id
                )
        end as settled_before_as
    from settled
    where hash(order_key) in (select repeated.order_hash from repeated)
),

found as (
    select
        settled.transaction_key as match_key,
        settled.program,
        settled.transaction_id,
        settled.order_id,
        coalesce(settled.user_id, settled.order_user_id) as user_id,
        settled.amount_minor,
        settled.currency,
        settled.created_at,
        settled.settled_on,
        settled.settlement_count,
        compared.settled_before_as
    from settled
    left join compared using (transaction_key)
),

{% if is_update() %}
touched as (
    select match_key from found
    union
    select match_key from {{ this }}
    where {{ order_of }} in (select touched_orders.order_key from touched_orders)
),
{% endif %}

final as (
    select
        {{ 'touched.match_key' if is_update() else 'found.match_key' }},
        found.{{ all_columns_but('match_key') }},
        {{ build_number() }} as changed_in_build
    {% if is_update() %}
    from touched
    left join found on touched.match_key = found.match_key
    {% else %}
    from found
    {% endif %}
)

select * from final
