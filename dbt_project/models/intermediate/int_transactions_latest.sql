with

transactions as (
    select * from {{ ref('stg_lake__transactions') }}
),

final as (
    select
        transaction_key,
        program,
        transaction_id,
        order_id,
        user_id,
        amount_minor,
        currency,
        payment_method,
        status,
        error_code,
        created_at,
        changed_at,
        business_date
    from transactions
    qualify row_number() over (
        partition by transaction_key
        order by changed_at desc, intake_id desc, row_number desc
    ) = 1
)

select * from final
