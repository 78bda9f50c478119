{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='transaction_key',
        on_schema_change='fail',
        meta={'lake_tables': ['transactions']},
    )
}}
{%- set told_columns = (
    'user_id', 'merchant_id', 'card_token', 'card_bin', 'card_last4', 'device_id', 'ip_address', 'email'
) -%}
{%- set own_columns = (
    'program', 'transaction_id', 'order_id', 'amount_minor', 'currency', 'payment_method', 'provider',
    'card_network', 'status', 'error_code', 'created_at', 'changed_at', 'business_date'
) -%}
{%- set history_columns =
    'transaction_key, ' ~ own_columns | join(', ')
    ~ ', user_id, merchant_id, first_created_on, settled_on, settlement_count, told_'
    ~ told_columns | join(', told_') ~ ', version_count, first_arrived_on, last_arrived_on'
-%}
{%- set touched = touched_dates('transactions') -%}
{%- set touched_keys -%}
    select transaction_key from {{ ref('stg_lake__transactions') }} where {{ is_on(touched.present) }}
    union
    select transaction_key from {{ this }} where {{ may_have_versions_on(touched.known) }}
    union
    select transaction_key from {{ this }}
    where
        user_id is null
        and program || '/' || order_id in (
            select order_key from {{ ref('int_order_users') }} where {{ changed_since_built() }}
        )
{%- endset %}
-- noqa: disable=LT02,LT05,LT14,RF02,RF03,ST03,ST05
with

{% if touched is not none %}
touched as (
    {{ touched_keys }}
),
{% endif %}

transactions as {{ read_anew() if touched is none }} (
    select
        {{ all_columns_but('device_id, ip_address, email') }},
        -- Empty texts say nothing; case and spaces around a value do not count.
        {%- for column in ('device_id', 'ip_address', 'email') %}
        nullif(lower(trim({{ column }})), '') as {{ column }},
        {%- endfor %}
        case when status in ('completed', 'refunded') then business_date end as settled_on,
        case when status in ('completed', 'refunded') then created_at end as settled_at
    from {{ ref('stg_lake__transactions') }}
    {% if touched is not none %}
        where
            {{ is_on(dates_to_read('transactions', touched, touched_keys)) }}
            and transaction_key in (select transaction_key from touched)
    {% endif %}
),

-- Most transactions have one version, which needs no comparing. Hashes need less memory than keys do.
repeated as (
    select hash(transaction_key) as key_hash
    from transactions
    group by hash(transaction_key)
    having count(*) > 1
),

once as (
    select
        transaction_key,
        {% for column in own_columns %}{{ column }}, {% endfor %}
        user_id,
        merchant_id,
        {{ utc_date('created_at') }} as first_created_on,
        settled_on,
        case when settled_at is null then 0 else 1 end as settlement_count,
        {% for column in told_columns %}{{ column }} as told_{{ column }}, {% endfor %}
        1 as version_count,
        business_date as first_arrived_on,
        business_date as last_arrived_on
    from transactions
    where hash(transaction_key) not in (select repeated.key_hash from repeated)
),

compared as (
    select
        transaction_key,
        {% for column in own_columns %}{{ column }}, {% endfor %}
        user_id,
        merchant_id,
        last_value({{ utc_date('created_at') }}) over versions as first_created_on,
        min(settled_on) over versions as settled_on,
        min(settled_at) over versions as first_settled_at,
        max(settled_at) over versions as last_settled_at,
        {%- for column in told_columns %}
        {{ first_known(column) }} over versions as told_{{ column }},
        {%- endfor %}
        count(*) over versions as version_count,
        min(business_date) over versions as first_arrived_on,
        max(business_date) over versions as last_arrived_on,
        -- Spark counts rows in no window that ends elsewhere than at the row.
        row_number() over (
            partition by transaction_key
            order by changed_at desc, intake_id desc, row_number desc
        ) as recency
    from transactions
    where hash(transaction_key) in (select repeated.key_hash from repeated)
    window versions as (
        partition by transaction_key
        order by changed_at desc, intake_id desc, row_number desc
        rows between unbounded preceding and unbounded following
    )
),

-- Nearly every transaction is settled at one time, whatever number of versions says so.
settlements as (
    select
        transaction_key,
        count(distinct settled_at) as settlement_count
    from transactions
    where
        transaction_key in (
            select compared.transaction_key from compared
            where compared.first_settled_at != compared.last_settled_at
        )
    group by transaction_key
),

latest as (
    select
        compared.{{ all_columns_but('recency, first_settled_at, last_settled_at') }},
        coalesce(
            settlements.settlement_count,
            case when compared.first_settled_at is null then 0 else 1 end
        ) as settlement_count
    from compared
    left join settlements using (transaction_key)
    where compared.recency = 1
),

histories as (
    select {{ history_columns }} from once
    union all
    select {{ history_columns }} from latest
),

order_users as (
    select * from {{ ref('int_order_users') }}
    {% if touched is not none %}
        where
            order_key in (
                select histories.program || '/' || histories.order_id from histories
                where histories.user_id is null
            )
    {% endif %}
),

final as (
    select
        {{ 'touched.transaction_key' if touched is not none else 'histories.transaction_key' }},
        histories.{{ all_columns_but('transaction_key') }},
        order_users.user_id as order_user_id,
        {{ build_number() }} as changed_in_build
    {% if touched is not none %}
    from touched
    left join histories on touched.transaction_key = histories.transaction_key
    {% else %}
    from histories
    {% endif %}
    left join order_users
        on
            order_users.order_key
            = case
                when histories.user_id is null then histories.program || '/' || histories.order_id
            end
)

select * from final
