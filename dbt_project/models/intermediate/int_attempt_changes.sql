{{
    config(
        materialized='incremental',
        incremental_strategy='whole_keys',
        unique_key='known_on',
        on_schema_change='fail',
        meta={'lake_tables': ['transactions']},
    )
}}
-- noqa: disable=LT02,LT05,LT14,RF02,RF03,ST03,ST05
with

{{ known_changes(
    touched_dates('transactions'),
    ref('int_transaction_spans'),
    {
        'program': 'program',
        'day': utc_date('created_at'),
        'payment_method': 'payment_method',
        'provider': 'provider',
        'error_code': "coalesce(nullif(trim(error_code), ''), 'none')",
    },
    {'attempt_count': '1', 'failed_count': "case when status = 'failed' then 1 else 0 end"},
    "status in ('completed', 'refunded', 'failed')"
) }}
