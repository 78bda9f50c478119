{#- Transactions named in a relation of keys: the last state of each, and the last value that any version
    told of what describes it. Empty texts say nothing; case and spaces around a value do not count. -#}
{%- macro sales_by_last_version(transactions, keys) -%}
{%- set version = "row(changed_at, intake_id, row_number)" -%}
    select
        transaction_key,
        any_value(program) as program,
        any_value(transaction_id) as transaction_id,
        max_by(order_id, {{ version }}) as order_id,
        max_by(status, {{ version }}) as status,
        cast(min_by(created_at, {{ version }}) at time zone 'UTC' as date) as sold_on,
        {%- for column in ('user_id', 'merchant_id', 'card_token', 'card_bin', 'card_last4') %}
        max_by({{ column }}, {{ version }}) as {{ column }},
        {%- endfor %}
        {%- for column in ('device_id', 'ip_address', 'email') %}
        max_by(nullif(lower(trim({{ column }})), ''), {{ version }}) as {{ column }}
        {{- "," if not loop.last }}
        {%- endfor %}
    from {{ transactions }}
    where transaction_key in (select transaction_key from {{ keys }})
    group by transaction_key
{%- endmacro -%}
