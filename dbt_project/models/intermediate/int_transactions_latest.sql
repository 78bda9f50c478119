with

transactions as (
    select * from {{ ref('stg_lake__transactions') }}
),

orders as (
    select * from {{ ref('stg_lake__orders') }}
),

latest as (
    select *
    from transactions
    qualify row_number() over (
        partition by transaction_key
        order by changed_at desc, intake_id desc, row_number desc
    ) = 1
),

-- An order's user never changes, so any version of it will do.
order_users as (
    select
        order_key,
        min(user_id) as user_id
    from orders
    group by order_key
),

final as (
    select
        latest.transaction_key,
        latest.program,
        latest.transaction_id,
        latest.order_id,
        coalesce(latest.user_id, order_users.user_id) as user_id,
        latest.amount_minor,
        latest.currency,
        latest.payment_method,
        latest.provider,
        latest.card_network,
        latest.merchant_id,
        latest.status,
        latest.error_code,
        latest.created_at,
        latest.changed_at,
        latest.business_date
    from latest
    left join order_users
        on order_users.order_key = latest.program || '/' || latest.order_id
)

select * from final
