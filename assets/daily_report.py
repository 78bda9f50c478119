"""The daily report: one HTML file a business date, readable offline."""

from datetime import date

import dagster as dg

from assets.partitions import business_dates, one_date_a_run
from cardops.ports import Clock, Reports
from cardops.services.reports.daily_report import DailyReport, write_daily_report


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
    ],
    kinds={"duckdb", "html"},
)
def daily_report(
    context: dg.AssetExecutionContext,
    reports: dg.ResourceParam[Reports],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[None]:
    """Decisions, rates, disputes, balances, breaks and freshness of the date on one page."""
    report = write_daily_report(date.fromisoformat(context.partition_key), reports, clock)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(report.path)),
            "url": dg.MetadataValue.url(report.path.as_uri()),
            "breaks": len(report.figures.breaks),
            "decisions": report.figures.decision_count,
            "preview": dg.MetadataValue.md(_preview(report)),
        }
    )


def _preview(report: DailyReport) -> str:
    """One chart, so that the catalogue shows the shape of the day."""
    uri = report.charts.get("decisions_by_hour")
    return f"![Decisions by hour]({uri})" if uri else "No decisions on this date."
