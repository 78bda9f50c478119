"""Write the daily report: figures, charts, page, in that order."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cardops.ports import Acknowledgements, Clock, DeliveryLedger, Reports
from cardops.services.reports.batch_files import batch_files_frame
from cardops.services.reports.charts import draw_charts
from cardops.services.reports.figures import ReportFigures
from cardops.services.reports.page import render_page


@dataclass(frozen=True, slots=True)
class DailyReport:
    """A report that was written: what it says, its charts by name as data URIs, and where it is."""

    figures: ReportFigures
    charts: Mapping[str, str]
    path: Path


def write_daily_report(
    business_date: date,
    reports: Reports,
    ledger: DeliveryLedger,
    acknowledgements: Acknowledgements,
    clock: Clock,
) -> DailyReport:
    """Replace the date's page. Raises NothingBuiltError where there are no marts to read."""
    frames = dict(reports.figures(business_date))
    batch_ids = frames.pop("batches")["batch_id"].to_list()
    files = batch_files_frame(batch_ids, ledger, acknowledgements)
    figures = ReportFigures(business_date, **frames, batch_files=files)
    charts = draw_charts(figures)
    page = render_page(figures, charts, clock.now())
    return DailyReport(figures, charts, reports.write_page(business_date, page))
