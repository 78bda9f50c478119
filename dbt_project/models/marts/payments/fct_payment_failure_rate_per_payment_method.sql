with

transactions as (
    select * from {{ ref('int_transactions_latest') }}
    where status in ('failed', 'completed', 'refunded')
),

counted as (
    select
        program,
        payment_method,
        count(*) as attempt_count,
        count(*) filter (where status = 'failed') as failed_count
    from transactions
    group by program, payment_method
),

final as (
    select
        program || '/' || payment_method as payment_method_key,
        program,
        payment_method,
        attempt_count,
        failed_count,
        cast({{ share('failed_count', 'attempt_count') }} as decimal(18, 6)) as failure_rate
    from counted
)

select * from final
