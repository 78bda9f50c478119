{{ config(materialized='table') }}

with

settled as (
    select
        program,
        payment_method,
        card_network as network,
        provider,
        coalesce(merchant_id, 'unknown') as merchant_id,
        currency,
        amount_minor,
        {{ month_of(utc_date('created_at')) }} as month
    from {{ ref('int_transactions_latest') }}
    where status in ('completed', 'refunded')
),

final as (
    select
        program,
        month,
        payment_method,
        network,
        provider,
        merchant_id,
        currency,
        count(*) as settled_transaction_count,
        cast({{ exact_sum('amount_minor') }} as decimal(38, 0)) as transaction_volume_minor
    from settled
    group by program, month, payment_method, network, provider, merchant_id, currency
)

select * from final
