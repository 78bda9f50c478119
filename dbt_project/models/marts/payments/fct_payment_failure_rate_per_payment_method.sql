with

counted as (
    select
        program,
        payment_method,
        cast(sum(attempt_count) as bigint) as attempt_count,
        cast(sum(failed_count) as bigint) as failed_count
    from {{ ref('fct_payment_failure_daily') }}
    group by program, payment_method
),

final as (
    select
        program || '/' || payment_method as payment_method_key,
        program,
        payment_method,
        attempt_count,
        failed_count,
        cast({{ share('failed_count', 'attempt_count') }} as decimal(18, 6))
            as payment_failure_rate,
        {{ wilson_bound('failed_count', 'attempt_count', '-') }} as payment_failure_rate_lower,
        {{ wilson_bound('failed_count', 'attempt_count', '+') }} as payment_failure_rate_upper,
        attempt_count < {{ var('small_base_count') }} as is_base_small
    from counted
)

select * from final
