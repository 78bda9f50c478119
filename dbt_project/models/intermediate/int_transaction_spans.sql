{%- set columns = (
    'transaction_key', 'program', 'transaction_id', 'status', 'error_code', 'amount_minor', 'currency',
    'payment_method', 'provider', 'created_at'
) | join(', ') -%}
with

-- Everything of these arrived on one date.
once as (
    select
        {{ columns }},
        last_arrived_on as known_from_on,
        cast(null as date) as replaced_on
    from {{ ref('int_transaction_histories') }}
    where first_arrived_on = last_arrived_on
),

several as (
    select
        {{ columns }},
        known_from_on,
        replaced_on
    from {{ ref('int_transaction_states') }}
),

final as (
    select * from once
    union all
    select * from several
)

select * from final
