"""Reads the KPIs that a demo's day left in the marts, in the shape of simulation.kpi_truth.

Belongs here: queries that only select and, for the monthly rates, add up what may be added up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from simulation.dispute_names import mart_name

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
_WON: Final = """
    won_value_minor::bigint as won_value, lost_value_minor::bigint as lost_value,
    win_rate::varchar as win_rate, win_rate_lower::varchar as lower, win_rate_upper::varchar as upper
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
    "dispute_outcomes_by_reason": f"""
        select network || ' ' || reason_category || ' ' || dispute_currency as name,
            dispute_count as disputes, open_count as open, won_count as won, lost_count as lost,
            dispute_value_minor::bigint as value, at_stake_minor::bigint as at_stake, {_WON}
        from fct_dispute_outcomes where program = $program order by name
    """,  # noqa: S608 - its parts are above
    "dispute_outcomes_monthly": f"""
        select strftime(month, '%Y-%m') || ' ' || network || ' ' || reason_category || ' '
            || dispute_currency as name,
            ended_count as disputes, won_count as won, lost_count as lost,
            ended_value_minor::bigint as value, {_WON}
        from fct_dispute_outcomes_monthly where program = $program order by name
    """,  # noqa: S608 - its parts are above
    "provider_health": """
        select concat_ws(' ', day, provider, payment_method) as name,
            attempt_count as attempts, failed_count as failed,
            payment_failure_rate::varchar as rate, base_attempt_count as base_attempts,
            base_failed_count as base_failed, band_centre::varchar as centre,
            band_lower::varchar as lower, band_upper::varchar as upper, band_position as position
        from fct_provider_health_daily where program = $program order by name
    """,
}
_ANSWERS: Final = """
    select network || ' ' || reason_category || ' ' || dispute_currency, answered_count,
        average_days_to_respond::varchar, longest_days_to_respond
    from fct_dispute_outcomes where program = $program and answered_count > 0
"""
_ARRIVALS: Final = """
    select network, case_number, transaction_id, dispute_amount_minor, business_date
    from fct_disputes where program = $program
"""
_OUTSIDE: Final = """
    select outside_rates_because, count(*) from fct_disputes_outside_rates
    where program = $program group by all order by all
"""

_MONITORING: Final = """
select merchant_id || '/' || programme, {columns}
from fct_monitoring_programmes
where program = ? and month = ?
order by cases_to_line, 1
"""
# What is compared of a monitoring programme -> its column.
_MONITORING_COLUMNS: Final = {
    "disputes": "dispute_count",
    "fraud_reports": "fraud_report_count",
    "excluded_disputes": "excluded_dispute_count",
    "excluded_fraud_reports": "excluded_fraud_report_count",
    "sales": "sales_count",
    "cases": "case_count",
    "ratio": "cast(ratio as varchar)",
    "tier": "tier_reached",
    "cases_to_line": "cases_to_line",
    "forecast_cases": "forecast_case_count",
    "forecast_tier": "forecast_tier",
    "alarm": "alarm_level",
}


def read_kpis(session: "duckdb.DuckDBPyConnection", program: str) -> dict[str, dict[str, Any]]:
    """KPI -> name of the row -> its figures, amounts in minor units."""
    found = {kpi: read_kpi(session, program, kpi) for kpi in _QUERIES}
    values = {"program": program}
    found["disputes_outside_rates"] = dict(session.execute(_OUTSIDE, values).fetchall())
    return found


def read_kpi(session: "duckdb.DuckDBPyConnection", program: str, kpi: str) -> dict[str, Any]:
    """Name of the row -> its figures, of one KPI."""
    relation = session.execute(_QUERIES[kpi], {"program": program})
    names = [column[0] for column in relation.description or []][1:]
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in relation.fetchall()}


@dataclass(frozen=True, slots=True)
class FoundAnswers:
    """Days to respond by group, and on which day the last row of each dispute arrived."""

    groups: Mapping[str, Mapping[str, Any]]
    arrived_on: Mapping[str, date]


def read_answers(session: "duckdb.DuckDBPyConnection", program: str) -> FoundAnswers:
    """How many chargebacks were answered, and after how many days."""
    values = {"program": program}
    groups = session.execute(_ANSWERS, values).fetchall()
    arrivals = session.execute(_ARRIVALS, values).fetchall()
    return FoundAnswers(
        {
            group: {"answered": answered, "average_days": average, "longest_days": longest}
            for group, answered, average, longest in groups
        },
        {mart_name(*identity): arrived for *identity, arrived in arrivals},
    )


def read_monitoring(
    session: "duckdb.DuckDBPyConnection", program: str, month: date
) -> dict[str, dict[str, Any]]:
    """`merchant/programme` -> its figures of the month, nearest to the line first."""
    query = _MONITORING.format(columns=", ".join(_MONITORING_COLUMNS.values()))
    rows = session.execute(query, [program, month]).fetchall()
    return {row[0]: dict(zip(_MONITORING_COLUMNS, row[1:], strict=True)) for row in rows}
