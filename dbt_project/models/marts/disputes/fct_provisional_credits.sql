with

-- Each close writes every dispute under a policy, so the newest one has all of them.
snapshots as (
    select * from {{ ref('stg_lake__provisional_credits') }}
    qualify business_date = max(business_date) over ()
),

final as (
    select
        dispute_key,
        program,
        network,
        case_number,
        transaction_id,
        user_id,
        policy,
        state,
        waiting_reason,
        outcome,
        decision,
        dispute_amount_minor,
        dispute_currency,
        credit_amount_minor,
        kept_amount_minor,
        credit_currency,
        notified_on,
        credited_on,
        ended_on,
        case state
            when 'not_given' then if(credit_due_on is null, null, 'credit')
            when 'standing' then if(final_on is null, null, 'investigation')
        end as clock,
        case state when 'not_given' then credit_due_on when 'standing' then final_on end
            as clock_ends_on,
        {{ days_between('as_of_on', 'clock_ends_on') }} as clock_days_left,
        notice,
        notice_due_on,
        {{ days_between('as_of_on', 'notice_due_on') }} as notice_days_left,
        deferred_until,
        needs_person,
        missed_clock,
        as_of_on,
        business_date
    from snapshots
)

select * from final
