{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='order_key',
        on_schema_change='fail',
        meta={'lake_tables': ['orders']},
    )
}}
{%- set touched = touched_dates('orders') -%}
{%- set touched_keys -%}
    select order_key from {{ ref('stg_lake__orders') }} where {{ is_on(touched.present) }}
    union
    select order_key from {{ this }} where {{ may_have_versions_on(touched.known) }}
{%- endset %}
-- noqa: disable=LT02,LT05,LT14,RF02,RF03,ST03,ST05
with

orders as (
    select * from {{ ref('stg_lake__orders') }}
    {% if touched is not none %}
        where
            {{ is_on(dates_to_read('orders', touched, touched_keys)) }}
            and order_key in ({{ touched_keys }})
    {% endif %}
),

-- An order's user never changes, so any version of it will do.
summed as (
    select
        order_key,
        min(user_id) as user_id,
        min(business_date) as first_arrived_on,
        max(business_date) as last_arrived_on
    from orders
    group by order_key
),

final as (
    select
        {{ 'touched.order_key' if touched is not none else 'summed.order_key' }},
        summed.user_id,
        summed.first_arrived_on,
        summed.last_arrived_on,
        {{ build_number() }} as changed_in_build
    {% if touched is not none %}
    from ({{ touched_keys }}) as touched
    left join summed on touched.order_key = summed.order_key
    {% else %}
    from summed
    {% endif %}
)

select * from final
