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
        'month': month_of(utc_date('created_at')),
        'payment_method': 'payment_method',
        'currency': 'currency',
    },
    {'settled_transaction_count': '1', 'transaction_volume_minor': 'amount_minor'},
    "status in ('completed', 'refunded')"
) }}
