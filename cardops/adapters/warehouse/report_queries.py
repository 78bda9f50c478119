"""The queries of the daily report: one statement for each of its frames.

Belongs here: SQL on the marts, with the report's date as `$day`. Amounts are integers in minor units.
A query that ignores `$day` reads the newest state; `state_dates` says of which date that is.
"""

# ruff: noqa: S608 - the parts that statements share are constants of this module
from typing import Final

# Cases that a list shows; `found` counts all.
_LISTED: Final = 100

# What a kind of the log is called on the page, in which order, and which of its amounts counts.
_LINES: Final = """
    (values ('deposit', 'Deposits', 1, true), ('reinstatement', 'Deposits reinstated', 2, true),
        ('recall', 'Deposits recalled', 3, true), ('sale', 'Captures', 4, true),
        ('capture', 'Captures', 4, true), ('refund', 'Refunds', 5, true),
        ('provisional_credit', 'Provisional credits given', 6, true),
        ('credit_taken_back', 'Provisional credits taken back', 7, true),
        ('hold', 'New holds', 8, false), ('increment', 'New holds', 8, false),
        ('void', 'Reversals (holds released)', 9, false),
        ('expire', 'Reversals (holds released)', 9, false))
        as words (kind, line, place, is_posted)
"""
# The date and the 28 before it, of those on which a program has any movement or closing balance.
_DAYS: Final = """
    days as (
        select program, business_date from fct_daily_movements
        where business_date between $day - interval 28 days and $day
        union
        select program, business_date from fct_daily_balances
        where business_date between $day - interval 28 days and $day
    )
"""
# Of `gridded`, one row a date: the figure of the date, of the day before, and of the 28 before it.
_COMPARED: Final = """
    max({figure}) filter (where business_date = $day) as {figure},
    max({figure}) filter (where business_date = $day - interval 1 day) as before_{figure},
    quantile_disc({figure}, 0.25) filter (where business_date < $day) as low_{figure},
    quantile_disc({figure}, 0.5) filter (where business_date < $day) as median_{figure},
    quantile_disc({figure}, 0.75) filter (where business_date < $day) as high_{figure},
    count(*) filter (where business_date < $day) as band_days
"""

_QUEUE: Final = """
    select program, network, case_number, stage, reply_by_on, clock, owner,
        dispute_currency as currency, dispute_amount_minor as minor,
        date_diff('day', $day, reply_by_on) as days_left,
        date_diff('day', opened_on, $day) as age_days, count(*) over () as found
    from fct_dispute_queue
"""

# A decision, a notice, or a look at a clock that was missed.
_NEEDS_SOMEBODY: Final = "needs_person or missed_clock is not null or notice_due_on <= as_of_on"

QUERIES: Final = {
    "decisions": f"""
        with {_DAYS},
        counted as (
            select program, currency, status, business_date, count(*) as decision_count,
                sum(amount_minor)::decimal(38, 0) as minor
            from fct_authorizations
            where business_date between $day - interval 28 days and $day
            group by all
        ),
        gridded as (
            select program, currency, status, business_date,
                coalesce(decision_count, 0) as decision_count, coalesce(minor, 0) as minor
            from (select distinct program, currency, status from counted)
            inner join days using (program)
            left join counted using (program, currency, status, business_date)
        )
        select program, currency, status,
            coalesce(max(minor) filter (where business_date = $day), 0)::decimal(38, 0) as minor,
            {_COMPARED.format(figure="decision_count")}
        from gridded group by all
        having count(*) filter (where business_date = $day) > 0
        order by program, currency, status
    """,
    "decisions_by_hour": """
        select extract(hour from decided_at)::int as hour,
            count(*) filter (where status = 'PERMIT') as permits,
            count(*) filter (where status = 'REJECT') as rejects
        from fct_authorizations where business_date = $day group by all order by all
    """,
    "reject_reasons": """
        select program, currency, reason_code, count(*) as reject_count,
            sum(amount_minor)::decimal(38, 0) as minor
        from fct_authorizations where business_date = $day and status = 'REJECT'
        group by all order by program, currency, reject_count desc, reason_code
    """,
    "money": f"""
        with {_DAYS},
        sales as (
            select program, currency, if(is_capture, 'sale', 'hold') as kind, business_date,
                count(*) as entry_count,
                sum(if(is_capture, -amount_minor, amount_minor)) as minor
            from fct_authorizations
            where status = 'PERMIT' and business_date between $day - interval 28 days and $day
            group by all
        ),
        counted as (
            select program, currency, kind, business_date, entry_count, posted_minor,
                held_change_minor
            from fct_daily_movements
            where kind <> 'decision' and business_date between $day - interval 28 days and $day
            union all
            select program, currency, kind, business_date, entry_count, minor, minor from sales
        ),
        lines as (
            select program, currency, coalesce(line, kind) as line, coalesce(place, 10) as place,
                coalesce(is_posted, true) as is_posted, business_date,
                sum(entry_count)::bigint as entry_count,
                sum(if(coalesce(is_posted, true), posted_minor, held_change_minor))::decimal(38, 0)
                    as minor
            from counted left join {_LINES} using (kind)
            group by all
        ),
        gridded as (
            select program, currency, line, place, is_posted, business_date,
                coalesce(entry_count, 0) as entry_count,
                coalesce(minor, 0)::decimal(38, 0) as minor
            from (select distinct program, currency, line, place, is_posted from lines)
            inner join days using (program)
            left join lines using (program, currency, line, place, is_posted, business_date)
        )
        select program, currency, line, place, is_posted,
            coalesce(max(entry_count) filter (where business_date = $day), 0) as entry_count,
            {_COMPARED.format(figure="minor")}
        from gridded group by all
        having count(*) filter (where business_date = $day) > 0 and max(abs(minor)) > 0
        order by program, currency, place, line
    """,
    "money_by_day": """
        select currency, business_date,
            coalesce(sum(posted_minor) filter (where posted_minor > 0), 0)::decimal(38, 0)
                as in_minor,
            coalesce(-sum(posted_minor) filter (where posted_minor < 0), 0)::decimal(38, 0)
                as out_minor
        from fct_daily_movements
        where business_date between $day - interval 28 days and $day
        group by all order by all
    """,
    "balances": """
        select program, currency, count(*) as accounts,
            sum(available_minor)::decimal(38, 0) as available_minor,
            sum(held_minor)::decimal(38, 0) as held_minor, sum(ledger_minor)::decimal(38, 0) as ledger_minor,
            count(*) filter (where available_minor < 0) as below_zero,
            coalesce(sum(available_minor) filter (where available_minor < 0), 0)::decimal(38, 0)
                as below_zero_minor
        from fct_daily_balances where business_date = $day group by all order by all
    """,
    "balance_history": """
        select currency, business_date, sum(ledger_minor)::decimal(38, 0) as ledger_minor
        from fct_daily_balances
        where business_date between $day - interval 28 days and $day
        group by all order by all
    """,
    "failure_rates": """
        select program, payment_method, attempt_count, failed_count, payment_failure_rate as rate
        from fct_payment_failure_rate_per_payment_method
        order by rate desc nulls last, program, payment_method
    """,
    # By the UTC date of the payment; `rate_bp` are hundredths of a percent.
    "failure_days": f"""
        with daily as (
            select program, payment_method, day as business_date,
                sum(attempt_count)::bigint as attempt_count,
                sum(failed_count)::bigint as failed_count,
                round(10000 * sum(failed_count) / sum(attempt_count))::bigint as rate_bp
            from fct_payment_failure_daily
            where day between $day - interval 28 days and $day
            group by all having sum(attempt_count) > 0
        )
        select program, payment_method,
            max(attempt_count) filter (where business_date = $day) as attempt_count,
            max(failed_count) filter (where business_date = $day) as failed_count,
            {_COMPARED.format(figure="rate_bp")}
        from daily group by all
        having count(*) filter (where business_date = $day) > 0
        order by program, payment_method
    """,
    "failure_codes": """
        select program, error_code, sum(failed_count)::bigint as failed_count
        from fct_payment_failure_daily where day = $day and failed_count > 0
        group by all order by program, failed_count desc, error_code
    """,
    "chargeback_rates": """
        select program, payment_method, currency, settled_transaction_count,
            disputed_transaction_count, chargeback_rate_by_count as rate, dispute_value_minor,
            transaction_volume_minor, chargeback_rate_by_value as value_rate,
            other_currency_dispute_count, chargeback_rate_by_count_lower as lower_rate,
            chargeback_rate_by_count_upper as upper_rate
        from fct_chargeback_rate_per_payment_method
        order by rate desc nulls last, program, payment_method, currency
    """,
    "disputes": """
        select network, dispute_currency as currency, count(*) as disputes,
            count(*) filter (where business_date = $day) as disputes_of_the_day,
            count(*) filter (where outcome = 'open') as open, count(*) filter (where outcome = 'won')
                as won, count(*) filter (where outcome in ('lost', 'accepted')) as lost,
            sum(dispute_amount_minor)::decimal(38, 0) as minor
        from fct_disputes group by all order by all
    """,
    # Positions of the bands: overdue, then by days left, then those of which nobody says by when.
    "queue": """
        with banded as (
            select stage, dispute_currency as currency, dispute_amount_minor,
                case when reply_by_on is null then 'nobody says'
                    when reply_by_on < $day then 'overdue'
                    when reply_by_on <= $day + interval 1 day then '0 to 1'
                    when reply_by_on <= $day + interval 3 days then '2 to 3'
                    when reply_by_on <= $day + interval 7 days then '4 to 7'
                    when reply_by_on <= $day + interval 30 days then '8 to 30'
                    else 'over 30' end as due_band
            from fct_dispute_queue where decision is null
        )
        select stage, due_band, currency, count(*) as disputes,
            sum(dispute_amount_minor)::decimal(38, 0) as minor
        from banded
        group by stage, due_band, currency
        order by list_position(
            ['overdue', '0 to 1', '2 to 3', '4 to 7', '8 to 30', 'over 30', 'nobody says'], due_band
        ), stage, currency
    """,
    "deadlines": f"""
        {_QUEUE}
        where decision is null and reply_by_on between $day and $day + interval 7 days
        order by reply_by_on, opened_on, program, network, case_number
        limit {_LISTED}
    """,
    "overdue": f"""
        {_QUEUE}
        where decision is null and reply_by_on < $day
        order by reply_by_on desc, opened_on, program, network, case_number
        limit {_LISTED}
    """,
    "waiting": """
        select program, network, reason, row_count, dispute_count, dispute_currency as currency,
            dispute_amount_minor as minor, strftime(waiting_since, '%Y-%m-%d %H:%M') as waiting_since,
            reply_by_on
        from fct_waiting_disputes where business_date = $day
        order by waiting_since, program, network, reason, currency
    """,
    "provisional": f"""
        select program, network, case_number, coalesce(user_id, '') as user_id, state,
            coalesce(waiting_reason, '') as waiting_reason, clock_ends_on, clock_days_left as days_left,
            coalesce(notice, '') as notice, notice_due_on, coalesce(missed_clock, '') as missed_clock,
            coalesce(credit_currency, dispute_currency) as currency,
            coalesce(credit_amount_minor, dispute_amount_minor) as minor,
            count(*) over () as found
        from fct_provisional_credits
        where {_NEEDS_SOMEBODY}
        order by least(clock_ends_on, notice_due_on) nulls last, program, network, case_number
        limit {_LISTED}
    """,
    "provisional_totals": f"""
        select coalesce(credit_currency, dispute_currency) as currency, count(*) as cases,
            sum(coalesce(credit_amount_minor, dispute_amount_minor))::decimal(38, 0) as minor
        from fct_provisional_credits
        where {_NEEDS_SOMEBODY}
        group by all order by all
    """,
    "batches": """
        select distinct batch_id from staging.stg_lake__chargebacks
        where business_date = $day and batch_id is not null order by batch_id
    """,
    "acknowledgements": """
        select destination, network, file_name, verdict, reason_code, row_count, is_late,
            strftime(delivered_at, '%Y-%m-%d %H:%M') as delivered_at,
            strftime(read_at, '%Y-%m-%d %H:%M') as read_at
        from fct_acknowledgements where business_date = $day
        order by verdict = 'missing' desc, destination, file_name, verdict, reason_code
    """,
    "breaks": f"""
        select check_name, program, coalesce(user_id, '') as user_id,
            coalesce(subject, '') as subject, currency, unit, side_a, amount_a_minor, side_b,
            amount_b_minor, difference_minor, count(*) over () as found
        from fct_reconciliation_breaks where business_date = $day
        order by abs(difference_minor) desc, program, user_id limit {_LISTED}
    """,
    "break_totals": """
        select currency, unit, count(*) as breaks,
            sum(abs(difference_minor))::decimal(38, 0) as difference_minor
        from fct_reconciliation_breaks where business_date = $day group by all order by all
    """,
    "safeguarding": """
        select program, account_id, check_name, currency, bank_minor, owed_minor, difference_minor,
            is_break
        from fct_safeguarding where business_date = $day
        order by is_break desc, program, account_id, check_name
    """,
    "matches": """
        select program,
            count(*) filter (where captured_minor > 0 and settled_on is not null) as settled,
            count(*) filter (
                where captured_minor > refunded_minor and settled_on is null
                    and authorization_state = 'captured'
            ) as awaited,
            count(*) filter (where authorization_state = 'held' and settled_on is null) as held,
            count(*) filter (where settled_on is not null and not is_in_log) as outside_log,
            (select max(as_of_on) from intermediate.int_match_dates) as as_of
        from fct_three_way_match group by program order by program
    """,
    "match_breaks": """
        select program, kind, age_band, count(*) as breaks, max(age_days) as oldest_days
        from fct_match_breaks group by all order by program, kind, max(age_days)
    """,
    "freshness": """
        select 'Decisions and movements' as what, max(business_date) as newest_day
        from fct_daily_movements
        union all by name
        select 'Authorizations' as what, max(business_date) as newest_day from fct_authorizations
        union all by name
        select 'Closing balances' as what, max(business_date) as newest_day
        from fct_daily_balances
        union all by name
        select 'Disputes' as what, max(business_date) as newest_day from fct_disputes
    """,
    # Of which date the newest state is that some sections show, whatever the report's date.
    "state_dates": """
        select 'disputes' as subject, max(as_of_on) as as_of from fct_disputes
        union all by name
        select 'payments' as subject, max(business_date) as as_of
        from staging.stg_lake__transactions
        union all by name
        select 'matches' as subject, max(as_of_on) as as_of from intermediate.int_match_dates
        union all by name
        select 'provisional' as subject, max(as_of_on) as as_of from fct_provisional_credits
        union all by name
        select 'monitoring' as subject, max(as_of_on) as as_of from fct_monitoring_programmes
    """,
}
