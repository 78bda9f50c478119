with

settled_transactions as (
    select
        program,
        payment_method,
        count(*) as settled_transaction_count
    from {{ ref('int_transactions_latest') }}
    where status in ('completed', 'refunded')
    group by program, payment_method
),

disputed_transactions as (
    select
        program,
        payment_method,
        count(distinct transaction_id) as disputed_transaction_count
    from {{ ref('fct_disputes') }}
    where has_reached_chargeback
    group by program, payment_method
),

joined as (
    select
        program,
        payment_method,
        coalesce(settled_transactions.settled_transaction_count, 0) as settled_transaction_count,
        coalesce(disputed_transactions.disputed_transaction_count, 0) as disputed_transaction_count
    from settled_transactions
    full outer join disputed_transactions using (program, payment_method)
),

final as (
    select
        program || '/' || payment_method as payment_method_key,
        program,
        payment_method,
        settled_transaction_count,
        disputed_transaction_count,
        cast(
            {{ share('disputed_transaction_count', 'settled_transaction_count') }} as decimal(18, 6)
        ) as chargeback_rate
    from joined
)

select * from final
