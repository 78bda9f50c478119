"""The figures of the daily report, read from the marts with DuckDB, and the folder of its pages."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.ports import Reports
from cardops.rules.reports import NothingBuiltError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


class DuckDbReports(Reports):
    """Reads the marts that dbt built; pages are HTML files under `folder`."""

    def __init__(self, warehouse: DuckDbWarehouse, folder: Path) -> None:
        self._warehouse = warehouse
        self._folder = folder

    @override
    def figures(self, business_date: date) -> dict[str, "pd.DataFrame"]:
        with self._warehouse.reading() as session:
            return {name: _frame(session, query, business_date) for name, query in _QUERIES.items()}

    @override
    def is_built(self, business_date: date) -> bool:
        query = "select exists (select from fct_daily_balances where business_date = ?)"
        try:
            with self._warehouse.reading() as session:
                row = session.execute(query, [business_date]).fetchone()
        except NothingBuiltError:
            return False
        return bool(row and row[0])

    @override
    def write_page(self, business_date: date, page: str) -> Path:
        path = self._folder / f"daily_report_{business_date}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
        return path


def _frame(session: "duckdb.DuckDBPyConnection", query: str, business_date: date) -> "pd.DataFrame":
    """The result with Arrow's types: integers and decimals stay exact, also beside nulls."""
    import pandas as pd  # noqa: PLC0415 - half a second, and only a report needs it

    values = {"day": business_date} if "$day" in query else None
    table = session.sql(query, params=values).to_arrow_table()
    return table.to_pandas(types_mapper=pd.ArrowDtype)


_QUERIES: Final = {
    "decisions": """
        select program, currency, status, count(*) as count, sum(amount_minor)::decimal(38, 0) as minor
        from fct_authorizations where business_date = $day group by all order by all
    """,
    "decisions_by_hour": """
        select extract(hour from decided_at)::int as hour,
            count(*) filter (where status = 'PERMIT') as permits,
            count(*) filter (where status = 'REJECT') as rejects
        from fct_authorizations where business_date = $day group by all order by all
    """,
    "reject_reasons": """
        select reason_code, count(*) as count
        from fct_authorizations where business_date = $day and status = 'REJECT'
        group by all order by count desc, reason_code
    """,
    "movements": """
        select program, currency, kind, entry_count, posted_minor, held_change_minor
        from fct_daily_movements where business_date = $day order by all
    """,
    "balances": """
        select program, currency, count(*) as accounts,
            sum(available_minor)::decimal(38, 0) as available_minor,
            sum(held_minor)::decimal(38, 0) as held_minor, sum(ledger_minor)::decimal(38, 0) as ledger_minor,
            count(*) filter (where available_minor < 0) as below_zero
        from fct_daily_balances where business_date = $day group by all order by all
    """,
    "balance_history": """
        select currency, business_date, sum(ledger_minor)::decimal(38, 0) as ledger_minor
        from fct_daily_balances
        where business_date between $day - interval 29 days and $day
        group by all order by all
    """,
    "failure_rates": """
        select program, payment_method, attempt_count, failed_count,
            payment_failure_rate as rate
        from fct_payment_failure_rate_per_payment_method order by rate desc, program, payment_method
    """,
    "chargeback_rates": """
        select program, payment_method, currency, settled_transaction_count,
            disputed_transaction_count, chargeback_rate_by_count as rate,
            chargeback_rate_by_value as value_rate
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
    "deadlines": """
        select program, network, case_number, stage, reply_by_on, clock, owner,
            dispute_currency as currency, dispute_amount_minor as minor,
            reply_by_on - $day as days_left, $day - opened_on as age_days, count(*) over () as found
        from fct_dispute_queue
        where decision is null and reply_by_on between $day and $day + interval 7 days
        order by reply_by_on, opened_on, program, network, case_number
        limit 1000
    """,
    "overdue": """
        select program, network, case_number, stage, reply_by_on, clock, owner,
            dispute_currency as currency, dispute_amount_minor as minor,
            reply_by_on - $day as days_left, $day - opened_on as age_days, count(*) over () as found
        from fct_dispute_queue
        where decision is null and reply_by_on < $day
        order by reply_by_on desc, opened_on, program, network, case_number
        limit 1000
    """,
    "waiting": """
        select program, network, reason, row_count, dispute_count, dispute_currency as currency,
            dispute_amount_minor as minor, strftime(waiting_since, '%Y-%m-%d %H:%M') as waiting_since,
            reply_by_on
        from fct_waiting_disputes where business_date = $day
        order by waiting_since, program, network, reason, currency
    """,
    # What needs somebody today: a decision, a notice, or a look at a clock that was missed.
    "provisional": """
        select program, network, case_number, coalesce(user_id, '') as user_id, state,
            coalesce(waiting_reason, '') as waiting_reason, clock_ends_on, clock_days_left as days_left,
            coalesce(notice, '') as notice, notice_due_on, coalesce(missed_clock, '') as missed_clock,
            coalesce(credit_currency, dispute_currency) as currency,
            coalesce(credit_amount_minor, dispute_amount_minor) as minor, count(*) over () as found
        from fct_provisional_credits
        where needs_person or missed_clock is not null or notice_due_on <= as_of_on
        order by least(clock_ends_on, notice_due_on) nulls last, program, network, case_number
        limit 1000
    """,
    "batches": """
        select distinct batch_id from staging.stg_lake__chargebacks
        where business_date = $day and batch_id is not null order by batch_id
    """,
    "breaks": """
        select check_name, program, coalesce(user_id, '') as user_id,
            coalesce(subject, '') as subject, currency, side_a, amount_a_minor, side_b,
            amount_b_minor, difference_minor
        from fct_reconciliation_breaks where business_date = $day
        order by abs(difference_minor) desc, program, user_id limit 50
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
            max(as_of_on) as as_of
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
}
