with

attempts as (
    select
        program,
        {{ utc_date('created_at') }} as day,
        payment_method,
        provider,
        coalesce(nullif(trim(error_code), ''), 'none') as error_code,
        status
    from {{ ref('int_transactions_latest') }}
    where status in ('completed', 'refunded', 'failed')
),

final as (
    select
        concat_ws('/', program, day, payment_method, provider, error_code) as payment_failure_key,
        program,
        day,
        payment_method,
        provider,
        error_code,
        count(*) as attempt_count,
        count(case when status = 'failed' then 1 end) as failed_count
    from attempts
    group by program, day, payment_method, provider, error_code
)

select * from final
