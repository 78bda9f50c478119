{%- set groups = 'program, day, payment_method, provider, error_code' -%}
with

-- All that came to be known, on whichever date: a build reads them and not every transaction.
changes as (
    select * from {{ ref('int_attempt_changes') }}
),

final as (
    select
        concat_ws('/', {{ groups }}) as payment_failure_key,
        {{ groups }},
        cast(sum(attempt_count) as bigint) as attempt_count,
        cast(sum(failed_count) as bigint) as failed_count
    from changes
    group by {{ groups }}
    having sum(attempt_count) > 0
)

select * from final
