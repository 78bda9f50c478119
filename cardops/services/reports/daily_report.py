"""Write the daily report: figures, charts, page, in that order."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cardops.ports import Clock, Reports
from cardops.services.reports.charts import draw_charts
from cardops.services.reports.figures import ReportFigures
from cardops.services.reports.page import render_page


@dataclass(frozen=True, slots=True)
class DailyReport:
    """A report that was written: what it says, its charts by name as data URIs, and where it is."""

    figures: ReportFigures
    charts: Mapping[str, str]
    path: Path


def write_daily_report(business_date: date, reports: Reports, clock: Clock) -> DailyReport:
    """Replace the date's page. Raises NothingBuiltError where there are no marts to read."""
    figures = ReportFigures(business_date, **reports.figures(business_date))
    charts = draw_charts(figures)
    page = render_page(figures, charts, clock.now())
    return DailyReport(figures, charts, reports.write_page(business_date, page))
