with

source as (
    select * from {{ ref('stg_lake__fraud_ring_money') }}
),

final as (
    select
        concat_ws('/', ring_id, currency) as ring_money_key,
        ring_id,
        program,
        currency,
        dispute_count,
        cast(disputed_amount_minor as decimal(38, 0)) as disputed_amount_minor,
        settled_transaction_count,
        cast(settled_amount_minor as decimal(38, 0)) as settled_amount_minor,
        business_date
    from source
    where is_latest
)

select * from final
