with

-- Where no report says when it ended, the date on which the end arrived stands for it.
ended as (
    select
        program,
        {{ month_of('coalesce(resolved_on, business_date)') }} as month,
        network,
        coalesce(reason_category, 'unknown') as reason_category,
        dispute_currency,
        outcome,
        dispute_amount_minor
    from {{ ref('fct_disputes') }}
    where not is_inquiry and outcome != 'open'
),

counted as (
    select
        program,
        month,
        network,
        reason_category,
        dispute_currency,
        count(*) as ended_count,
        count(case when outcome = 'won' then 1 end) as won_count,
        count(case when outcome = 'lost' then 1 end) as lost_count,
        count(case when outcome = 'accepted' then 1 end) as accepted_count,
        count(case when outcome = 'expired' then 1 end) as expired_count,
        count(case when outcome = 'resolved' then 1 end) as resolved_count,
        {{ exact_sum('dispute_amount_minor') }} as ended_value_minor,
        {{ exact_sum("case when outcome = 'won' then dispute_amount_minor else 0 end") }}
            as won_value_minor,
        {{ exact_sum(
            "case when outcome in ('lost', 'accepted', 'expired')"
            ~ " then dispute_amount_minor else 0 end"
        ) }} as lost_value_minor
    from ended
    group by program, month, network, reason_category, dispute_currency
),

final as (
    select
        concat_ws('/', program, month, network, reason_category, dispute_currency)
            as dispute_outcome_month_key,
        program,
        month,
        network,
        reason_category,
        dispute_currency,
        ended_count,
        won_count,
        lost_count,
        accepted_count,
        expired_count,
        resolved_count,
        cast({{ share('won_count', '(won_count + lost_count)') }} as decimal(18, 6)) as win_rate,
        {{ wilson_bound('won_count', '(won_count + lost_count)', '-') }} as win_rate_lower,
        {{ wilson_bound('won_count', '(won_count + lost_count)', '+') }} as win_rate_upper,
        cast(ended_value_minor as decimal(38, 0)) as ended_value_minor,
        cast(won_value_minor as decimal(38, 0)) as won_value_minor,
        cast(lost_value_minor as decimal(38, 0)) as lost_value_minor
    from counted
)

select * from final
