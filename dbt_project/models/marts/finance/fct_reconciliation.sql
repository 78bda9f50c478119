with

totals as (
    select * from {{ ref('stg_lake__reconciliation_totals') }}
),

breaks as (
    select
        business_date,
        program,
        currency,
        count(*) as break_count
    from {{ ref('fct_reconciliation_breaks') }}
    group by business_date, program, currency
),

-- The kinds as reconciliation sums them: what is no deposit and no spend gives money back.
movements as (
    select
        business_date,
        program,
        currency,
        sum(case when kind in ('deposit', 'reinstatement') then posted_minor else 0 end)
            as deposits_minor,
        -sum(case when kind = 'recall' then posted_minor else 0 end) as recalls_minor,
        -sum(case when kind in ('decision', 'capture') then posted_minor else 0 end)
            as spends_minor,
        sum(
            case
                when kind in ('deposit', 'reinstatement', 'recall', 'decision', 'capture') then 0
                else posted_minor
            end
        ) as reversals_minor,
        sum(posted_minor) as posted_minor
    from {{ ref('fct_daily_movements') }}
    group by business_date, program, currency
),

-- A file's break may have no currency: it has a row of its own, so that each break counts once.
subjects as (
    select
        business_date,
        program,
        currency
    from totals
    union distinct
    select
        business_date,
        program,
        currency
    from breaks
),

-- What was logged up to each date, whether or not anything moved on it.
steps as (
    select
        business_date,
        program,
        currency,
        posted_minor,
        0 as is_subject
    from movements
    union all
    select
        business_date,
        program,
        currency,
        cast(0 as decimal(38, 0)) as posted_minor,
        1 as is_subject
    from subjects
),

running as (
    select
        business_date,
        program,
        currency,
        is_subject,
        sum(posted_minor) over (
            partition by program, currency
            order by business_date
            range between unbounded preceding and current row
        ) as logged_minor
    from steps
),

logged as (
    select * from running
    where is_subject = 1
),

final as (
    select
        concat_ws(
            '/', subjects.business_date, subjects.program, subjects.currency
        ) as reconciliation_key,
        subjects.program,
        subjects.currency,
        coalesce(totals.account_count, 0) as account_count,
        cast(coalesce(movements.deposits_minor, 0) as decimal(38, 0)) as deposits_minor,
        cast(coalesce(movements.recalls_minor, 0) as decimal(38, 0)) as recalls_minor,
        cast(coalesce(movements.spends_minor, 0) as decimal(38, 0)) as spends_minor,
        cast(coalesce(movements.reversals_minor, 0) as decimal(38, 0)) as reversals_minor,
        totals.balance_minor,
        totals.posted_minor as balance_by_postings_minor,
        cast(
            case when totals.program is not null then logged.logged_minor end
            as decimal(38, 0)
        ) as balance_by_log_minor,
        cast(totals.balance_minor - totals.posted_minor as decimal(38, 0)) as difference_minor,
        totals.compared_from,
        coalesce(breaks.break_count, 0) as break_count,
        subjects.business_date
    from subjects
    left join totals
        on
            subjects.business_date = totals.business_date
            and subjects.program = totals.program
            and subjects.currency = totals.currency
    left join movements
        on
            subjects.business_date = movements.business_date
            and subjects.program = movements.program
            and subjects.currency = movements.currency
    left join breaks
        on
            subjects.business_date = breaks.business_date
            and subjects.program = breaks.program
            and subjects.currency = breaks.currency
    left join logged
        on
            subjects.business_date = logged.business_date
            and subjects.program = logged.program
            and subjects.currency = logged.currency
)

select * from final
