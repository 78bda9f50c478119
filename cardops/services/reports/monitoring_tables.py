"""Monitoring programmes of the card networks on the daily report: how far each line is."""

from datetime import date
from typing import Any, Final

from cardops.services.reports.amounts import share
from cardops.services.reports.figures import ReportFigures, found_in, records_of
from cardops.services.reports.tables import Headings, Table, table_of

_ALL: Final = 'cardops sql "select * from fct_monitoring_programmes"'
_MONITORING: Final[Headings] = {
    "merchant": "Merchant", "programme": "Programme", "month": "Month", "program": "Program",
    "ratio": "Cases of sales", "line": "Line", "distance": "To the line",
    "forecast": "At the month's end", "stands": "Stands", "lacks": "Lacks",
}  # fmt: skip
_GAPS: Final[Headings] = {
    "lacks": "Missing", "programme": "Programme", "month": "Month", "program": "Program",
    "merchants": "Merchants", "remedy": "What it means, and what to do",
}  # fmt: skip
# What is missing, in words -> what that means, and what to do.
_WORDS: Final = {
    "fraud_reports": (
        "fraud reports",
        "No report was received, so there may be more cases: cardops submit FILE --kind fraud_reports.",
    ),
    "sales": ("sales", "Nothing to set the cases against, so there is no ratio."),
    "networks_of_sales": (
        "networks of sales",
        "Some transactions name no card network, so the ratio may be too high.",
    ),
    "region": (
        "region",
        "Nobody said where these merchants are, so the lines of the default region count.",
    ),
    "value_in_usd": (
        "value in dollars",
        "Some cases are in other currencies, and this region has a limit in dollars.",
    ),
    "limits": ("lines", "None was in force in that month and region."),
}
_STANDS: Final = {"forecast": "forecast to reach it", "near": "near"}
_NOTE: Final = (
    "A line is reached when both its ratio and its number of cases are. Merchants without a case are not "
    "listed. At the month's end: cases and sales so far, by days; none before the fifth day."
)


def monitoring_tables(figures: ReportFigures) -> list[Table]:
    """Merchants and acquirers, nearest to their line first, and what the figures lack."""
    more = found_in(figures.monitoring) - len(figures.monitoring)
    note = f"{more:,} more: {_ALL} shows them. {_NOTE}" if more > 0 else _NOTE
    gaps = [
        record
        | {"month": month_name(record["month"])}
        | dict(zip(("lacks", "remedy"), _words(record["missing"]), strict=True))
        for record in records_of(figures.monitoring_gaps)
    ]
    return [
        table_of("monitoring", "Nearest to the lines of monitoring programmes",
                 [_shown(record) for record in records_of(figures.monitoring)], _MONITORING,
                 note=note, nothing="No merchant has a case in this month or the month before."),
        table_of("monitoring-gaps", "What these figures lack", gaps, _GAPS,
                 nothing="Nothing is missing."),
    ]  # fmt: skip


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    everyone = record["subject"] == "acquirer"
    missing = record["missing_inputs"]
    return record | {
        "month": month_name(record["month"]),
        "merchant": "all (acquirer)" if everyone else record["merchant_id"],
        "ratio": share(record["case_count"], record["sales_count"]),
        "line": _line(record),
        "distance": _distance(record),
        "forecast": _forecast(record),
        "stands": _stands(record),
        "lacks": ", ".join(_words(name)[0] for name in missing.split(",")) if missing else "",
    }


def monitoring_as_of(figures: ReportFigures) -> str:
    """Of which months and of when these figures are."""
    newest = figures.state_date("monitoring")
    if newest is None:
        return "Nothing was known yet."
    return f"Of the report's month and the month before, as known at the close of {newest}."


def month_name(month: str) -> str:
    """`2026-11` as a text that is never broken in two lines."""
    return date.fromisoformat(f"{month}-01").strftime("%b\N{NO-BREAK SPACE}%Y")


def _line(record: dict[str, Any]) -> str:
    if record["line_tier"] is None:
        return ""
    bps, cases = int(record["line_ratio_bps"]), int(record["line_case_count"])
    return f"{record['line_tier']}: {bps // 100}.{bps % 100:02}\N{NO-BREAK SPACE}% and {cases:,}"


def _distance(record: dict[str, Any]) -> str:
    left = record["cases_to_line"]
    if left is None:
        return ""
    return f"{left:,} more cases" if left > 0 else "none"


def _forecast(record: dict[str, Any]) -> str:
    if record["forecast_basis"] == "complete":
        return "month is over"
    if record["forecast_case_count"] is None:
        return "too early"
    of_all = share(int(record["forecast_case_count"]), int(record["forecast_sales_count"]))
    tier = record["forecast_tier"]
    return f"{of_all}: {tier}" if tier else of_all


def _stands(record: dict[str, Any]) -> str:
    tier, level = record["tier_reached"], record["alarm_level"]
    at_least = " at least" if record["is_lower_bound"] else ""
    if tier:
        return f"in {tier}{at_least}"
    if record["is_in_programme"]:
        below, needed = record["months_below_count"], record["exit_month_count"]
        return f"still in: {below} of {needed} months below"
    return _STANDS[level] if level else f"below{', as far as known' if at_least else ''}"


def _words(name: str) -> tuple[str, str]:
    return _WORDS.get(name, (name, ""))
