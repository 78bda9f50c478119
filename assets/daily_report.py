"""The daily report: one HTML file a business date, readable offline."""

from datetime import date
from pathlib import Path

import dagster as dg

from assets.partitions import business_dates, one_date_a_run
from cardops.ports import Clock, Warehouse
from cardops.services.reports.charts import charts_of
from cardops.services.reports.figures import ReportFigures, read_figures
from cardops.services.reports.page import render_page


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="analytics",
    # Of the breaks, not of the verdict: a day that does not close is the one to report on.
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
    warehouse: dg.ResourceParam[Warehouse],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult[None]:
    """Decisions, rates, disputes, balances, breaks and freshness of the date on one page."""
    business_date = date.fromisoformat(context.partition_key)
    figures, path = write_report(warehouse, clock, business_date)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(path)),
            "url": dg.MetadataValue.url(path.as_uri()),
            "breaks": len(figures.breaks),
            "decisions": sum(row["count"] for row in figures.decisions),
            "preview": dg.MetadataValue.md(_preview(figures)),
        }
    )


def write_report(
    warehouse: Warehouse, clock: Clock, business_date: date
) -> tuple[ReportFigures, Path]:
    """Write the date's page over any earlier one, whole. Raises NothingBuiltError."""
    with warehouse.reading() as session:
        figures = read_figures(session, business_date)
    path = warehouse.reports / f"daily_report_{business_date}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".part")
    staged.write_text(render_page(figures, charts_of(figures), clock.now()), encoding="utf-8")
    staged.replace(path)
    return figures, path


def _preview(figures: ReportFigures) -> str:
    """One picture, so that the day's shape is seen in the catalogue."""
    uri = charts_of(figures).get("decisions_by_hour")
    return f"![Decisions by hour]({uri})" if uri else "No decisions on this date."
