with

final as (
    select
        dispute_key,
        program,
        network,
        case_number,
        transaction_id,
        outside_rates_because,
        transaction_status,
        payment_method,
        stage,
        outcome,
        dispute_amount_minor,
        dispute_currency,
        reason_category,
        opened_on
    from {{ ref('fct_disputes') }}
    where outside_rates_because is not null
)

select * from final
