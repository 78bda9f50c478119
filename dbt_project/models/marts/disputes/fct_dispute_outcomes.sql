with

disputes as (
    select
        fct_disputes.program,
        fct_disputes.network,
        coalesce(fct_disputes.reason_category, 'unknown') as reason_category,
        fct_disputes.dispute_currency,
        fct_disputes.outcome,
        fct_disputes.dispute_amount_minor,
        case
            when answered.answered_on >= fct_disputes.opened_on
                then {{ days_between('fct_disputes.opened_on', 'answered.answered_on') }}
        end as days_to_respond
    from {{ ref('fct_disputes') }} as fct_disputes
    left join {{ ref('int_disputes_answered') }} as answered using (dispute_key)
    where not fct_disputes.is_inquiry
),

counted as (
    select
        program,
        network,
        reason_category,
        dispute_currency,
        count(*) as dispute_count,
        count(case when outcome = 'open' then 1 end) as open_count,
        count(case when outcome = 'won' then 1 end) as won_count,
        count(case when outcome = 'lost' then 1 end) as lost_count,
        count(case when outcome = 'accepted' then 1 end) as accepted_count,
        count(case when outcome = 'expired' then 1 end) as expired_count,
        count(case when outcome = 'resolved' then 1 end) as resolved_count,
        {{ exact_sum('dispute_amount_minor') }} as dispute_value_minor,
        {{ exact_sum("case when outcome = 'open' then dispute_amount_minor else 0 end") }}
            as at_stake_minor,
        {{ exact_sum("case when outcome = 'won' then dispute_amount_minor else 0 end") }}
            as won_value_minor,
        {{ exact_sum(
            "case when outcome in ('lost', 'accepted', 'expired')"
            ~ " then dispute_amount_minor else 0 end"
        ) }} as lost_value_minor,
        count(days_to_respond) as answered_count,
        sum(days_to_respond) as response_days,
        max(days_to_respond) as longest_days_to_respond
    from disputes
    group by program, network, reason_category, dispute_currency
),

final as (
    select
        concat_ws('/', program, network, reason_category, dispute_currency) as dispute_outcome_key,
        program,
        network,
        reason_category,
        dispute_currency,
        dispute_count,
        open_count,
        won_count,
        lost_count,
        accepted_count,
        expired_count,
        resolved_count,
        cast({{ share('won_count', '(won_count + lost_count)') }} as decimal(18, 6)) as win_rate,
        {{ wilson_bound('won_count', '(won_count + lost_count)', '-') }} as win_rate_lower,
        {{ wilson_bound('won_count', '(won_count + lost_count)', '+') }} as win_rate_upper,
        cast(
            {{ share('won_count', '(won_count + lost_count + accepted_count + expired_count)') }}
            as decimal(18, 6)
        ) as kept_rate,
        cast(dispute_value_minor as decimal(38, 0)) as dispute_value_minor,
        cast(at_stake_minor as decimal(38, 0)) as at_stake_minor,
        cast(won_value_minor as decimal(38, 0)) as won_value_minor,
        cast(lost_value_minor as decimal(38, 0)) as lost_value_minor,
        answered_count,
        cast(
            cast(response_days as double) / nullif(answered_count, 0) as decimal(18, 2)
        ) as average_days_to_respond,
        longest_days_to_respond
    from counted
)

select * from final
