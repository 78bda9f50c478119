{{
    config(
        materialized='incremental',
        incremental_strategy='whole_keys',
        unique_key='dispute_key',
        on_schema_change='fail',
        meta={'published_by_month_of': 'valid_from_on'},
    )
}}
-- noqa: disable=LT02,LT05,LT14,RF02,RF03,ST03,ST05
with

changed as (
    select * from {{ ref('int_dispute_states') }}
    {% if is_update() %}
        where {{ changed_since_built() }}
    {% endif %}
),

-- A dispute of which nothing is left keeps a row without values.
states as (
    select
        *,
        lead(known_on) over (
            partition by dispute_key
            order by known_on
        ) as next_known_on
    from changed
    {% if not is_update() %}
        where known_on is not null
    {% endif %}
),

final as (
    select
        dispute_key || '/' || known_on as dispute_snapshot_key,
        dispute_key,
        program,
        network,
        case_number,
        transaction_id,
        known_on as valid_from_on,
        {{ days_after('next_known_on', -1) }} as valid_to_on,
        stage,
        status,
        {{ dispute_outcome('stage', 'status') }} as outcome,
        {{ dispute_outcome('stage', 'status') }} = 'open' as is_open,
        not has_reached_chargeback as is_inquiry,
        has_reached_chargeback,
        dispute_amount_minor,
        dispute_currency,
        reason_code,
        opened_on,
        reply_by_on,
        clock,
        reopened_count,
        version_count
    from states
)

select * from final
