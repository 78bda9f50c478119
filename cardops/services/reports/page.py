"""The daily report as one HTML page that needs nothing beside itself: no network, no script.

Belongs here: what stands at the top, and the rendering. How it looks is in page.html.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

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


def render_page(figures: ReportFigures, charts: Charts, made_at: datetime) -> str:
    """The whole page."""
    parts = parts_of(figures, charts, made_at)
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            figures=figures,
            made_at=made_at.strftime("%Y-%m-%d %H:%M UTC"),
            needs=needs_of(figures),
            titles={table.anchor: table.title for part in parts for table in part.tables},
            each_priced=each_priced,
            tiles=_tiles(figures),
            parts=parts,
        )
    )


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
