"""The daily report: one HTML file a business date, readable offline."""

from datetime import date
from typing import Final

import dagster as dg

from assets.partitions import business_dates, one_date_a_run
from cardops.ports import Clock, Reports
from cardops.services.reports.daily_report import DailyReport, write_daily_report

RUNBOOK: Final = "docs/runbooks/match-breaks.md"
MATCH_CHECK: Final = "authorizations_settlements_and_disputes_match"


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="analytics",
    # Depends on the breaks, not on the verdict: a day that does not close must be reported too.
    deps=[
        "fct_daily_balances",
        "fct_daily_movements",
        "fct_decisions",
        "fct_disputes",
        "fct_chargeback_rate_per_payment_method",
        "fct_payment_failure_rate_per_payment_method",
        "fct_reconciliation_breaks",
        "fct_three_way_match",
        "fct_match_breaks",
    ],
    # A warning: a settlement that is missing needs work at the processor, the books are right.
    check_specs=[dg.AssetCheckSpec(MATCH_CHECK, asset="daily_report")],
    kinds={"duckdb", "html"},
)
def daily_report(
    context: dg.AssetExecutionContext,
    reports: dg.ResourceParam[Reports],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    """Decisions, rates, disputes, balances, breaks and freshness of the date on one page."""
    report = write_daily_report(date.fromisoformat(context.partition_key), reports, clock)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(report.path)),
            "url": dg.MetadataValue.url(report.path.as_uri()),
            "breaks": len(report.figures.breaks),
            "decisions": report.figures.decision_count,
            "preview": dg.MetadataValue.md(_preview(report)),
        },
        check_results=[_match_check(report)],
    )


def _match_check(report: DailyReport) -> dg.AssetCheckResult:
    counts = report.figures.match_breaks_by_kind
    return dg.AssetCheckResult(
        check_name=MATCH_CHECK,
        passed=not counts,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"breaks": sum(counts.values()), **counts, "runbook": RUNBOOK},
    )


def _preview(report: DailyReport) -> str:
    """One chart, so that the catalogue shows the shape of the day."""
    uri = report.charts.get("decisions_by_hour")
    return f"![Decisions by hour]({uri})" if uri else "No decisions on this date."
