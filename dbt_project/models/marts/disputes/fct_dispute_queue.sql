with

disputes as (
    select * from {{ ref('fct_disputes') }}
    where is_open
),

-- Nobody takes a record back, so the newest snapshot has all of them.
records as (
    select * from {{ ref('stg_lake__dispute_records') }}
    qualify row_number() over (partition by dispute_key order by business_date desc) = 1
),

joined as (
    select
        disputes.*,
        records.owner,
        {{ days_between('disputes.opened_on', 'disputes.as_of_on') }} as age_days,
        -- A decision about an earlier opening says nothing of this one.
        case
            when
                records.decided_stage = disputes.stage
                and records.decided_opening_number = disputes.opening_number
                then records.decision
        end as decision
    from disputes
    left join records using (dispute_key)
),

final as (
    select
        dispute_key,
        program,
        network,
        case_number,
        transaction_id,
        stage,
        status,
        opening_number,
        owner,
        decision,
        dispute_amount_minor,
        dispute_currency,
        reason_code,
        opened_on,
        age_days,
        case
            when age_days <= 7 then '0 to 7'
            when age_days <= 30 then '8 to 30'
            when age_days <= 90 then '31 to 90'
            else 'over 90'
        end as age_band,
        reply_by_on,
        clock,
        days_left,
        coalesce(days_left < 0, false) as is_overdue,
        case
            when days_left is null then 'nobody says'
            when days_left < 0 then 'overdue'
            when days_left <= 1 then '0 to 1'
            when days_left <= 3 then '2 to 3'
            when days_left <= 7 then '4 to 7'
            when days_left <= 30 then '8 to 30'
            else 'over 30'
        end as due_band,
        as_of_on
    from joined
)

select * from final
