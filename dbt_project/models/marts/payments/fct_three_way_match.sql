with

authorizations as (
    select * from {{ ref('int_authorizations_resolved') }}
),

settlements as (
    select * from {{ ref('int_transactions_settled') }}
),

disputes as (
    select
        program || '/' || transaction_id as match_key,
        program,
        transaction_id,
        count(*) as dispute_count,
        min(received_on) as disputed_on
    from {{ ref('int_disputes_current') }}
    where has_reached_chargeback and transaction_id is not null
    group by program, transaction_id
),

log_dates as (
    select
        program,
        min(authorized_on) as log_begins_on
    from authorizations
    group by program
),

dates as (
    select
        max(business_date) as log_ends_on,
        greatest(
            max(business_date),
            (select max(balances.business_date) from {{ ref('fct_daily_balances') }} as balances),
            (select max(settlements.settled_on) from settlements),
            (select max(disputes.disputed_on) from disputes)
        ) as as_of_on
    from {{ ref('stg_lake__log_entries') }}
),

joined as (
    select
        match_key,
        coalesce(authorizations.program, settlements.program, disputes.program) as program,
        coalesce(
            authorizations.transaction_id, settlements.transaction_id, disputes.transaction_id
        ) as transaction_id,
        authorizations.state as authorization_state,
        authorizations.user_id as authorized_user_id,
        authorizations.currency as authorized_currency,
        authorizations.captured_minor,
        authorizations.refunded_minor,
        authorizations.held_minor,
        authorizations.authorized_on,
        authorizations.captured_on,
        settlements.order_id,
        settlements.user_id as settled_user_id,
        settlements.currency as settled_currency,
        settlements.amount_minor as settled_minor,
        coalesce(settlements.settlement_count, 0) as settlement_count,
        settlements.settled_before_as,
        cast(settlements.created_at as date) as paid_on,
        settlements.settled_on,
        coalesce(disputes.dispute_count, 0) as dispute_count,
        disputes.disputed_on
    from authorizations
    full outer join settlements using (match_key)
    full outer join disputes using (match_key)
),

final as (
    select
        joined.match_key,
        joined.program,
        joined.transaction_id,
        joined.authorization_state,
        joined.authorized_user_id,
        joined.authorized_currency,
        joined.captured_minor,
        joined.refunded_minor,
        joined.held_minor,
        joined.authorized_on,
        joined.captured_on,
        joined.order_id,
        joined.settled_user_id,
        joined.settled_currency,
        joined.settled_minor,
        joined.settlement_count,
        joined.settled_before_as,
        joined.settled_on,
        joined.dispute_count,
        joined.disputed_on,
        date_diff('day', joined.captured_on, joined.settled_on) as days_to_settlement,
        -- Before a program's log begins, and after the last exported date, there is no
        -- authorization to find.
        coalesce(
            joined.authorized_on is not null
            or joined.paid_on between log_dates.log_begins_on and dates.log_ends_on,
            false
        ) as is_in_log,
        dates.log_ends_on,
        dates.as_of_on
    from joined
    cross join dates
    left join log_dates
        on joined.program = log_dates.program
)

select * from final
