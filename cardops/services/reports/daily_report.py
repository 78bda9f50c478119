"""Write the daily report: figures, charts, page, in that order.

No verdict keeps it from being written: a break is what it is for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from cardops.ports import Acknowledgements, DeliveryLedger, Reports, RingSnapshots
from cardops.rules.reports import Edition
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes
from cardops.services.fraud.figures import ring_figures
from cardops.services.reports.batch_files import batch_files_frame
from cardops.services.reports.charts import Chart, draw_charts
from cardops.services.reports.figures import ReportFigures
from cardops.services.reports.open_alarms import AlarmSources
from cardops.services.reports.operations import OperationSources
from cardops.services.reports.page import content_digest, render_page


@dataclass(frozen=True, slots=True)
class DailyReport:
    """A report that was written: what it says, its charts by section, and where it is."""

    figures: ReportFigures
    charts: Mapping[str, Sequence[Chart]]
    path: Path
    edition: Edition


@dataclass(frozen=True, slots=True)
class ReportSources:
    """Where the report's figures come from."""

    reports: Reports
    delivery_ledger: DeliveryLedger
    acknowledgements: Acknowledgements
    waiting: WaitingDisputes
    operations: OperationSources
    ring_snapshots: RingSnapshots
    alarms: AlarmSources


def write_daily_report(business_date: date, sources: ReportSources, now: datetime) -> DailyReport:
    """Make the date's page, or keep the one there is where nothing of it changed.

    A page that says something else is the next edition; the former one stays beside it. Raises
    NothingBuiltError where there are no marts to read.
    """
    frames = dict(sources.reports.figures(business_date))
    batch_ids = frames.pop("batches")["batch_id"].to_list()
    files = batch_files_frame(
        batch_ids, sources.delivery_ledger, sources.acknowledgements, sources.waiting.rows()
    )
    operations = sources.operations.read(business_date, now)
    rings = ring_figures(sources.ring_snapshots, business_date)
    alarms = sources.alarms.read(now)
    figures = ReportFigures(business_date, operations, rings, alarms, **frames, batch_files=files)
    charts = draw_charts(figures)
    digest, former = content_digest(figures, charts), sources.reports.newest_edition(business_date)
    edition = former.next(now, digest) if former else Edition(1, now, digest)
    if edition == former:
        path = sources.reports.page_path(business_date)
        return DailyReport(figures, charts, path, edition)
    kept = (former, sources.reports.page_path(business_date, former).name) if former else None
    page = render_page(figures, charts, now, edition, kept)
    path = sources.reports.write_page(business_date, page)
    return DailyReport(figures, charts, path, edition)
