with

days as (
    select
        program,
        day,
        provider,
        payment_method,
        cast(sum(attempt_count) as bigint) as attempt_count,
        cast(sum(failed_count) as bigint) as failed_count
    from {{ ref('fct_payment_failure_daily') }}
    group by program, day, provider, payment_method
),

numbered as (
    select
        *,
        {{ days_between("date '2015-01-01'", 'day') }} as day_number
    from days
),

-- The days before this one; a day is not judged by itself.
based as (
    select
        *,
        sum(attempt_count) over (
            partition by program, provider, payment_method
            order by day_number
            range between {{ var('provider_health_days') }} preceding and 1 preceding
        ) as base_attempt_count,
        sum(failed_count) over (
            partition by program, provider, payment_method
            order by day_number
            range between {{ var('provider_health_days') }} preceding and 1 preceding
        ) as base_failed_count
    from numbered
),

centred as (
    select
        program,
        day,
        provider,
        payment_method,
        attempt_count,
        failed_count,
        cast({{ share('failed_count', 'attempt_count') }} as decimal(18, 6))
            as payment_failure_rate,
        cast(coalesce(base_attempt_count, 0) as bigint) as base_attempt_count,
        cast(coalesce(base_failed_count, 0) as bigint) as base_failed_count,
        coalesce(base_attempt_count, 0) >= {{ var('provider_health_base_attempts') }}
        and attempt_count >= {{ var('provider_health_day_attempts') }} as is_judged,
        cast(base_failed_count as double) / nullif(base_attempt_count, 0) as centre,
        -- A base without a failure has a width too: the rule of succession.
        (cast(base_failed_count as double) + 1) / (base_attempt_count + 2) as likely_rate
    from based
),

banded as (
    select
        *,
        3 * sqrt(likely_rate * (1 - likely_rate) / attempt_count) as half_width
    from centred
),

bounded as (
    select
        *,
        case when is_judged then cast(centre as decimal(18, 6)) end as band_centre,
        case when is_judged then cast(greatest(centre - half_width, 0) as decimal(18, 6)) end
            as band_lower,
        case when is_judged then cast(least(centre + half_width, 1) as decimal(18, 6)) end
            as band_upper
    from banded
),

final as (
    select
        concat_ws('/', program, day, provider, payment_method) as provider_health_key,
        program,
        day,
        provider,
        payment_method,
        attempt_count,
        failed_count,
        payment_failure_rate,
        base_attempt_count,
        base_failed_count,
        band_centre,
        band_lower,
        band_upper,
        case
            when not is_judged then 'not_judged'
            when
                payment_failure_rate > band_upper
                and failed_count >= {{ var('provider_health_failures') }}
                then 'above'
            when payment_failure_rate < band_lower then 'below'
            else 'within'
        end as band_position,
        is_judged
        and (
            payment_failure_rate < band_lower
            or (
                payment_failure_rate > band_upper
                and failed_count >= {{ var('provider_health_failures') }}
            )
        ) as is_out_of_band
    from bounded
)

select * from final
