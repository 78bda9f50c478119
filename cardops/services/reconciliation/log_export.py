"""The transaction log of a business date, whole, from the store into the lake."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from cardops.contracts.lake.tables import SNAPSHOT
from cardops.contracts.lake.transaction_log import TABLE
from cardops.ports import Books, DayExport, Lake, TransactionLog


@dataclass(frozen=True, slots=True)
class ExportedDate:
    """A date's log in the lake. `totals`: rows and minor units by currency and kind."""

    business_date: date
    export: DayExport
    totals: pl.DataFrame
    uri: str


@dataclass(frozen=True, slots=True)
class EventCounts:
    """A date's rows in the lake, and how many different events they are."""

    rows: int
    distinct_events: int


@dataclass(frozen=True, slots=True)
class LogExport:
    """Exports dates of the transaction log into the lake."""

    log_reader: TransactionLog
    books: Books
    lake: Lake

    def export_until(self, business_date: date) -> Iterator[ExportedDate]:
        """Export earlier dates that are not final yet, each as it is asked for, and the date itself last.

        A date is final once it is over and every transaction open at its end has ended.
        """
        for earlier in self.books.dates_to_export(business_date):
            if earlier < business_date:
                yield self.export(earlier)
        yield self.export(business_date)

    def export(self, business_date: date) -> ExportedDate:
        """Replace one date's log in the lake. Safe to kill at any moment and repeat."""
        with TemporaryDirectory() as folder:
            parquet = Path(folder) / "day.parquet"
            export = self.log_reader.export(business_date, parquet)
            totals = _totals(parquet)
            uri = self.lake.write_file(TABLE, business_date, SNAPSHOT, parquet)
        # Recorded once the file is in the lake: after a crash in between the date is exported again.
        self.log_reader.record_export(business_date, export)
        return ExportedDate(business_date, export, totals, uri)


def count_events(business_date: date, lake: Lake) -> EventCounts | None:
    """The date's rows in the lake, or None where it was never exported."""
    rows = lake.scan(TABLE, [business_date])
    if rows is None:
        return None
    events = pl.struct("program", "kind", "event_key").n_unique()
    counts = rows.select(pl.len().alias("rows"), events.alias("events")).collect()
    return EventCounts(*counts.row(0))


def _totals(parquet: Path) -> pl.DataFrame:
    return (
        pl.scan_parquet(parquet)
        .group_by("currency", "kind")
        .agg(
            pl.len().alias("rows"),
            pl.col("posted_minor", "held_change_minor").cast(pl.Int128).sum(),
        )
        .sort("currency", "kind")
        .collect()
    )
