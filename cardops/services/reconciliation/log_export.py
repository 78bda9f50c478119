"""The transaction log of a business date, whole, from the store into the lake."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import overload

import polars as pl

from cardops.contracts.lake.tables import SNAPSHOT
from cardops.contracts.lake.transaction_log import TABLE
from cardops.ports import Books, DayExport, Lake, TransactionLog
from cardops.services.reconciliation.closing_balances import TABLE as BALANCES
from cardops.services.reconciliation.closing_balances import write_closing_balances
from cardops.services.reconciliation.exported_logs import (
    ONE_DAY,
    RESTATEMENT_WINDOW,
    difference,
)


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
        yield from self._restated(business_date)
        yield self.export(business_date)

    def _restated(self, business_date: date) -> Iterator[ExportedDate]:
        """Export closed dates of the window again that have late rows; rewrite balances since.

        Only rows may be added. A date that has lost one is left as it is: that is a break.
        """
        eve = business_date - ONE_DAY
        changed = self.books.changed_exports(business_date - RESTATEMENT_WINDOW, eve)
        restated = [exported for day in changed if (exported := self.export(day, is_addition=True))]
        yield from restated
        day = min((exported.business_date for exported in restated), default=business_date)
        while day < business_date:
            if self.lake.scan(BALANCES, [day]) is not None:
                write_closing_balances(day, self.books, self.lake)
            day += ONE_DAY

    @overload
    def export(self, business_date: date) -> ExportedDate: ...

    @overload
    def export(self, business_date: date, *, is_addition: bool) -> ExportedDate | None: ...

    def export(self, business_date: date, *, is_addition: bool = False) -> ExportedDate | None:
        """Replace one date's log in the lake. Safe to kill at any moment and repeat.

        `is_addition`: only where every row that the lake has is in the store; None where one is not.
        """
        with TemporaryDirectory() as folder:
            parquet = Path(folder) / "day.parquet"
            export = self.log_reader.export(business_date, parquet)
            if is_addition and self._loses_rows(business_date, parquet):  # guard: restated-rows
                return None
            totals = _totals(parquet)
            previous = self.books.exported(business_date, business_date).get(business_date)
            if previous is not None and previous.content_sha256 != export.content_sha256:
                # What was compared with the former log is no beginning any more.
                self.books.supersede_reconciled(business_date)
            uri = self.lake.write_file(TABLE, business_date, SNAPSHOT, parquet)
        # Recorded once the file is in the lake: after a crash in between the date is exported again.
        self.log_reader.record_export(business_date, export)
        return ExportedDate(business_date, export, totals, uri)

    def _loses_rows(self, business_date: date, parquet: Path) -> bool:
        exported = self.lake.scan(TABLE, [business_date])
        if exported is None:
            return False
        only_lake, _ = difference(exported, pl.scan_parquet(parquet))
        return only_lake > 0


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
