"""What the daily report says, read from the marts: figures only, no picture and no HTML.

Amounts become decimals in cardops.services.reports.page, once.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReportFigures:
    """Everything on one day's page, each part a list of rows."""

    business_date: date
    decisions: list[Row]
    decisions_by_hour: list[Row]
    reject_reasons: list[Row]
    movements: list[Row]
    balances: list[Row]
    balance_history: list[Row]
    failure_rates: list[Row]
    chargeback_rates: list[Row]
    disputes: list[Row]
    deadlines: list[Row]
    breaks: list[Row]
    freshness: list[Row]

    @property
    def has_closing_balances(self) -> bool:
        """Whether the day was closed at all: without closing balances no break was looked for."""
        return bool(self.balances)


def read_figures(session: "duckdb.DuckDBPyConnection", business_date: date) -> ReportFigures:
    """The day's figures out of the marts' schema that is first in the session's search path."""

    def ask(query: str) -> list[Row]:
        values = {"day": business_date} if "$day" in query else {}
        response = session.execute(query, values)
        names = [column[0] for column in response.description or []]
        return [dict(zip(names, row, strict=True)) for row in response.fetchall()]

    return ReportFigures(business_date, **{name: ask(query) for name, query in _QUERIES.items()})


_QUERIES = {
    "decisions": """
        select program, currency, status, count(*) as count, sum(amount_minor)::bigint as minor
        from fct_decisions where business_date = $day group by all order by all
    """,
    "decisions_by_hour": """
        select extract(hour from decided_at)::int as hour,
            count(*) filter (where status = 'PERMIT') as permits,
            count(*) filter (where status = 'REJECT') as rejects
        from fct_decisions where business_date = $day group by all order by all
    """,
    "reject_reasons": """
        select reason_code, count(*) as count
        from fct_decisions where business_date = $day and status = 'REJECT'
        group by all order by count desc, reason_code
    """,
    "movements": """
        select program, currency, kind, entry_count, posted_minor, held_change_minor
        from fct_daily_movements where business_date = $day order by all
    """,
    "balances": """
        select program, currency, count(*) as accounts,
            sum(available_minor)::bigint as available_minor,
            sum(held_minor)::bigint as held_minor, sum(ledger_minor)::bigint as ledger_minor,
            count(*) filter (where available_minor < 0) as below_zero
        from fct_daily_balances where business_date = $day group by all order by all
    """,
    "balance_history": """
        select currency, business_date, sum(ledger_minor)::bigint as ledger_minor
        from fct_daily_balances
        where business_date between $day - interval 29 days and $day
        group by all order by all
    """,
    "failure_rates": """
        select program, payment_method, attempt_count, failed_count, failure_rate as rate
        from fct_payment_failure_rate_per_payment_method order by rate desc, program, payment_method
    """,
    "chargeback_rates": """
        select program, payment_method, settled_transaction_count, disputed_transaction_count,
            chargeback_rate as rate
        from fct_chargeback_rate_per_payment_method order by rate desc nulls last, program, payment_method
    """,
    "disputes": """
        select network, dispute_currency as currency, count(*) as disputes,
            count(*) filter (where business_date = $day) as disputes_of_the_day,
            count(*) filter (where outcome = 'open') as open, count(*) filter (where outcome = 'won')
                as won, count(*) filter (where outcome in ('lost', 'accepted')) as lost,
            sum(dispute_amount_minor)::bigint as minor
        from fct_disputes group by all order by all
    """,
    "deadlines": """
        select network, case_number, reply_by_date, dispute_currency as currency,
            dispute_amount_minor as minor, reply_by_date - $day as days_left
        from fct_disputes
        where outcome = 'open' and reply_by_date is not null
            and reply_by_date <= $day + interval 7 days
        order by reply_by_date, network, case_number limit 20
    """,
    "breaks": """
        select program, user_id, currency, side_a, amount_a_minor, side_b, amount_b_minor,
            difference_minor
        from fct_reconciliation_breaks where business_date = $day
        order by abs(difference_minor) desc, program, user_id limit 50
    """,
    "freshness": """
        select 'Decisions and movements' as what, max(business_date) as newest_day
        from fct_daily_movements
        union all by name
        select 'Authorizations' as what, max(business_date) as newest_day from fct_decisions
        union all by name
        select 'Closing balances' as what, max(business_date) as newest_day
        from fct_daily_balances
        union all by name
        select 'Disputes' as what, max(business_date) as newest_day from fct_disputes
    """,
}
