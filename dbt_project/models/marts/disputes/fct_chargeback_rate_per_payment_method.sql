with

sales as (
    select
        program,
        payment_method,
        currency,
        cast(sum(settled_transaction_count) as bigint) as settled_transaction_count,
        cast(sum(transaction_volume_minor) as decimal(38, 0)) as transaction_volume_minor
    from {{ ref('int_sales_by_month') }}
    group by program, payment_method, currency
),

disputes as (
    select
        program,
        payment_method,
        currency,
        count(distinct transaction_id) as disputed_transaction_count,
        cast(sum(dispute_count) as bigint) as dispute_count,
        cast(sum(other_currency_dispute_count) as bigint) as other_currency_dispute_count,
        cast(sum(dispute_value_minor) as decimal(38, 0)) as dispute_value_minor
    from {{ ref('int_disputes_by_month') }}
    group by program, payment_method, currency
),

-- A disputed transaction that counts has settled, so no dispute is without sales.
joined as (
    select
        sales.program,
        sales.payment_method,
        sales.currency,
        sales.settled_transaction_count,
        sales.transaction_volume_minor,
        coalesce(disputes.disputed_transaction_count, 0) as disputed_transaction_count,
        coalesce(disputes.dispute_count, 0) as dispute_count,
        coalesce(disputes.other_currency_dispute_count, 0) as other_currency_dispute_count,
        cast(coalesce(disputes.dispute_value_minor, 0) as decimal(38, 0)) as dispute_value_minor
    from sales
    left join disputes using (program, payment_method, currency)
),

final as (
    select
        program || '/' || payment_method || '/' || currency as chargeback_rate_key,
        program || '/' || payment_method as payment_method_key,
        program,
        payment_method,
        currency,
        {{ chargeback_rates('true') }}
    from joined
)

select * from final
