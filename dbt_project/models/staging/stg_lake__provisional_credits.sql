with

source as (
    select * from {{ source('lake', 'provisional_credits') }}
),

final as (
    select
        concat_ws('/', business_date, program, network, case_number) as provisional_credit_key,
        concat_ws('/', program, network, case_number) as dispute_key,
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
        credit_due_on,
        credited_on,
        final_on,
        ended_on,
        notice,
        notice_due_on,
        deferred_until,
        needs_person,
        missed_clock,
        as_of_on,
        business_date
    from source
)

select * from final
