with

counted as (
    select
        program,
        transaction_id,
        payment_method,
        transaction_network as network,
        provider,
        transaction_merchant_id as merchant_id,
        transaction_currency as currency,
        {{ month_of('sold_on') }} as sale_month,
        {{ month_of('opened_on') }} as dispute_month,
        case when dispute_currency = transaction_currency then dispute_amount_minor end
            as dispute_value_minor
    from {{ ref('fct_disputes') }}
    where outside_rates_because is null
),

final as (
    select
        program,
        sale_month,
        dispute_month,
        payment_method,
        network,
        provider,
        merchant_id,
        currency,
        transaction_id,
        count(*) as dispute_count,
        count(*) - count(dispute_value_minor) as other_currency_dispute_count,
        cast(coalesce({{ exact_sum('dispute_value_minor') }}, 0) as decimal(38, 0))
            as dispute_value_minor
    from counted
    group by
        program,
        sale_month,
        dispute_month,
        payment_method,
        network,
        provider,
        merchant_id,
        currency,
        transaction_id
)

select * from final
