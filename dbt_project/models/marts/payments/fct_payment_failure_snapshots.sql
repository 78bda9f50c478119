{%- set groups = 'program, day, payment_method, provider, error_code' -%}
with

changes as (
    select * from {{ ref('int_attempt_changes') }}
),

known as (
    select
        {{ groups }},
        known_on as valid_from_on,
        cast(
            lead(known_on) over (
                partition by {{ groups }}
                order by known_on
            ) - interval 1 day as date
        ) as valid_to_on,
        cast(
            sum(attempt_count) over (
                partition by {{ groups }}
                order by known_on
                rows between unbounded preceding and current row
            ) as bigint
        ) as attempt_count,
        cast(
            sum(failed_count) over (
                partition by {{ groups }}
                order by known_on
                rows between unbounded preceding and current row
            ) as bigint
        ) as failed_count
    from changes
),

final as (
    select
        concat_ws('/', {{ groups }}, valid_from_on) as payment_failure_snapshot_key,
        {{ groups }},
        valid_from_on,
        valid_to_on,
        attempt_count,
        failed_count
    from known
    where attempt_count > 0
)

select * from final
