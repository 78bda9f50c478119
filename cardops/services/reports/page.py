"""The daily report as one HTML page that needs nothing beside itself: no network, no script.

Belongs here: what stands at the top, and the rendering. How it looks is in page.html.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from hashlib import sha256
from typing import Final

from cardops.rules.reports import Edition
from cardops.services.reports.amounts import each_priced, priced, share
from cardops.services.reports.attention import needs_of
from cardops.services.reports.figures import ReportFigures, records_of, totals_by_currency
from cardops.services.reports.parts import Charts, parts_of
from cardops.services.reports.templates import environment

TEMPLATE: Final = "page.html"


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure at the top of the page."""

    label: str
    value: str
    note: str


def content_digest(figures: ReportFigures, charts: Charts) -> str:
    """A hash of what the page says, whenever it is made."""
    at_no_time = datetime.combine(figures.business_date, time(), UTC)
    return sha256(render_page(figures, charts, at_no_time).encode()).hexdigest()


def render_page(
    figures: ReportFigures,
    charts: Charts,
    made_at: datetime,
    edition: Edition | None = None,
    former: tuple[Edition, str] | None = None,
) -> str:
    """The whole page. `former`: the edition that this one follows, and the name of its file."""
    parts = parts_of(figures, charts, made_at)
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            figures=figures,
            made_at=_stamp(made_at),
            stamp=_stamp,
            edition=edition,
            former=former,
            needs=needs_of(figures),
            titles={table.anchor: table.title for part in parts for table in part.tables},
            each_priced=each_priced,
            tiles=_tiles(figures),
            parts=parts,
        )
    )


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


def _tiles(figures: ReportFigures) -> list[Tile]:
    failures = records_of(figures.failure_rates)
    attempts = sum(record["attempt_count"] for record in failures)
    failed = sum(record["failed_count"] for record in failures)
    permitted, _, of_all = share(figures.permit_count, figures.decision_count).partition(" (")
    failing, _, of_attempts = share(failed, attempts).partition(" (")
    ledger = totals_by_currency(records_of(figures.balances), "ledger_minor")
    disputes = records_of(figures.disputes)
    return [
        Tile("Decisions permitted", permitted, of_all.rstrip(")")),
        *[
            Tile("Ledger balance", priced(minor, currency), "at the close")
            for currency, minor in sorted(ledger.items())
        ],
        Tile("Payments failed", failing, f"{of_attempts.rstrip(')')}, over all dates"),
        Tile(
            "Open disputes",
            f"{sum(record['open'] for record in disputes):,}",
            f"of {sum(record['disputes'] for record in disputes):,}",
        ),
    ]
