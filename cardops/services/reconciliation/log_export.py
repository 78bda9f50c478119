"""The transaction log of a business date, whole, from the store into the lake."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from cardops.contracts.lake.tables import SNAPSHOT
from cardops.contracts.lake.transaction_log import TABLE
from cardops.ports import Books, DayExport, Lake, TransactionLog
from cardops.services.reconciliation.closing_balances import TABLE as BALANCES
from cardops.services.reconciliation.closing_balances import rewrite_balances
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
        """Export earlier dates that are not final or have late rows, each as it is asked for, then the date.

        A date is final once it is over and every transaction open at its end has ended. To a final date
        of the window rows may only be added: one that has lost a row is left as it is, which is a break.
        """
        eve = business_date - ONE_DAY
        pending = [day for day in self.books.dates_to_export(business_date) if day <= eve]
        late = self.books.changed_exports(business_date - RESTATEMENT_WINDOW, eve)
        for day in sorted({*pending, *late}):
            with self.books.closing(), self._read(day) as (export, parquet):
                if day in late and self._loses_rows(day, parquet):  # guard: restated-rows
                    continue
                exported = self._replace(day, export, parquet, eve)
            yield exported
        yield self.export(business_date)

    def export(self, business_date: date) -> ExportedDate:
        """Replace one date's log in the lake. Safe to kill at any moment and repeat."""
        with self.books.closing(), self._read(business_date) as (export, parquet):
            return self._replace(business_date, export, parquet)

    @contextmanager
    def _read(self, business_date: date) -> Iterator[tuple[DayExport, Path]]:
        with TemporaryDirectory() as folder:
            parquet = Path(folder) / "day.parquet"
            yield self.log_reader.export(business_date, parquet), parquet

    def _replace(
        self, day: date, export: DayExport, parquet: Path, eve: date | None = None
    ) -> ExportedDate:
        """Write the log, and of an earlier date the balances too that it adds up to; record it last.

        After a crash in between, the date has still another number of rows than was recorded, or no
        final record, and all is done again.
        """
        totals = _totals(parquet)
        is_changed = self._is_changed(day, export, eve)
        if is_changed:
            # What was compared with the former log is no beginning any more.
            self.books.supersede_reconciled(day)
        uri = self.lake.write_file(TABLE, day, SNAPSHOT, parquet)
        if is_changed and eve is not None:
            self._rewrite_balances(day, eve)
        self.log_reader.record_export(day, export)
        return ExportedDate(day, export, totals, uri)

    def _is_changed(self, day: date, export: DayExport, eve: date | None) -> bool:
        previous = self.books.exported(day, day).get(day)
        if previous is not None:
            return previous.content_sha256 != export.content_sha256
        # Nights that passed over a date without a row may have begun after it. An older late row is a
        # break of its account.
        return eve is not None and day > eve - RESTATEMENT_WINDOW and export.row_count > 0

    def _rewrite_balances(self, since: date, eve: date) -> None:
        for day in self.lake.business_dates(BALANCES):
            if since <= day <= eve:
                rewrite_balances(day, self.books, self.lake)

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
