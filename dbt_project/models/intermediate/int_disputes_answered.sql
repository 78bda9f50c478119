with

-- A step past the chargeback says that it was answered, at the latest when it arrived. What
-- `happened_at` says of a step without its own date is only the earliest time that it can have.
answering_steps as (
    select
        dispute_key,
        coalesce({{ utc_date('activity_date') }}, business_date) as answered_on
    from {{ ref('stg_lake__chargebacks') }}
    where stage_rank between 3 and 5
),

-- Records are a snapshot of each close: the first one with a decision is the day of it.
decided_records as (
    select
        dispute_key,
        business_date as answered_on
    from {{ ref('stg_lake__dispute_records') }}
    where decision is not null
),

answers as (
    select * from answering_steps
    union all
    select * from decided_records
),

final as (
    select
        dispute_key,
        min(answered_on) as answered_on
    from answers
    group by dispute_key
)

select * from final
