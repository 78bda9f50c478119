"""Reads the KPIs that a demo's day left in the marts, in the shape of simulation.kpi_truth.

Belongs here: queries that only select and, for the monthly rates, add up what may be added up.
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import duckdb

_SIDES: Final = """
    settled_transaction_count as settled, transaction_volume_minor::bigint as volume,
    disputed_transaction_count as disputed, dispute_value_minor::bigint as value,
    other_currency_dispute_count as other_currency,
    chargeback_rate_by_count::varchar as rate_by_count,
    chargeback_rate_by_value::varchar as rate_by_value
"""
# Both sides of a rate may be added up over merchants or methods, rates may not.
_SUMMED: Final = """
    sum(settled_transaction_count)::bigint as settled,
    sum(transaction_volume_minor)::bigint as volume,
    sum(disputed_transaction_count)::bigint as disputed, sum(dispute_value_minor)::bigint as value,
    sum(other_currency_dispute_count)::bigint as other_currency
"""
_MONTH: Final = "attribution || ' ' || strftime(month, '%Y-%m') || ' ' || currency || ' ' || "
_QUERIES: Final = {
    "chargeback_rate": f"""
        select payment_method || ' ' || currency as name, {_SIDES}
        from fct_chargeback_rate_per_payment_method where program = $program order by name
    """,  # noqa: S608 - its parts are above
    "chargeback_rate_monthly": f"""
        select {_MONTH} payment_method || ' ' || network || ' ' || provider as name, {_SUMMED}
        from fct_chargeback_rate_monthly where program = $program group by name
        union all
        select {_MONTH} merchant_id as name, {_SUMMED}
        from fct_chargeback_rate_monthly where program = $program group by name
        order by name
    """,  # noqa: S608 - its parts are above
    "payment_failure_rate": """
        select payment_method as name, attempt_count as attempts, failed_count as failed,
            payment_failure_rate::varchar as rate
        from fct_payment_failure_rate_per_payment_method where program = $program order by name
    """,
    "payment_failure_daily": """
        select concat_ws(' ', day, payment_method, provider, error_code) as name,
            attempt_count as attempts, failed_count as failed
        from fct_payment_failure_daily where program = $program order by name
    """,
    "dispute_outcomes": """
        select network || ' ' || dispute_currency as name, sum(dispute_count)::bigint as disputes,
            sum(open_count)::bigint as open, sum(won_count)::bigint as won,
            sum(lost_count)::bigint as lost, sum(at_stake_minor)::bigint as at_stake
        from fct_dispute_outcomes where program = $program group by name order by name
    """,
}
_OUTSIDE: Final = """
    select outside_rates_because, count(*) from fct_disputes_outside_rates
    where program = $program group by all order by all
"""


def read_kpis(session: "duckdb.DuckDBPyConnection", program: str) -> dict[str, dict[str, Any]]:
    """KPI -> name of the row -> its figures, amounts in minor units."""
    values = {"program": program}
    found: dict[str, dict[str, Any]] = {}
    for kpi, query in _QUERIES.items():
        relation = session.execute(query, values)
        names = [column[0] for column in relation.description or []][1:]
        rows = relation.fetchall()
        found[kpi] = {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}
    found["disputes_outside_rates"] = dict(session.execute(_OUTSIDE, values).fetchall())
    return found
