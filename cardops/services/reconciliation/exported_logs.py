"""Exported transaction logs against the lake and the store.

Belongs here: whether a date's log is in the lake as it was exported, and has the store's events.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import polars as pl

from cardops.contracts.lake.reconciliation import FOUND_COLUMNS
from cardops.contracts.lake.transaction_log import COLUMNS
from cardops.ports import ExportedDay, LakeBooks, TransactionLog

ONE_DAY: Final = timedelta(days=1)
# A night looks so far back for closed dates that have another number of events than was exported.
RESTATEMENT_WINDOW: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ExportedLogs:
    """Compares exported dates; a date that is not closed may have further events in the store."""

    lake_books: LakeBooks
    log_reader: TransactionLog

    def breaks(self, exports: Mapping[date, ExportedDay]) -> pl.DataFrame:
        """Breaks of these exports, with FOUND_COLUMNS."""
        rows = [
            row
            for day, exported in sorted(exports.items())
            for row in self._breaks_of(day, exported)
        ]
        return pl.DataFrame(rows, schema=FOUND_COLUMNS, orient="row")

    def _breaks_of(self, day: date, exported: ExportedDay) -> Iterator[tuple[object, ...]]:
        file = self.lake_books.log_file(day)
        if not file.exists():
            yield _found("exported_log_is_in_the_lake_unchanged", day, 0, exported.row_count)
            return
        content_sha256 = _sha256(file)
        if content_sha256 != exported.content_sha256:
            rows = pl.scan_parquet(file).select(pl.len()).collect().item()
            yield _found("exported_log_is_in_the_lake_unchanged", day, rows, exported.row_count)
        with TemporaryDirectory() as folder:
            again = Path(folder) / "day.parquet"
            export = self.log_reader.export(day, again)
            if export.content_sha256 == content_sha256:
                return
            only_lake, only_store = difference(pl.scan_parquet(file), pl.scan_parquet(again))
        if only_lake or (only_store and export.is_closed):
            yield _found("exported_log_equals_the_stores_events", day, only_lake, only_store)


def _found(check: str, day: date, a: int, b: int) -> tuple[object, ...]:
    # A date's log has the rows of every program.
    return (check, "", None, None, f"transaction log of {day}", a, b)


def difference(lake: pl.LazyFrame, store: pl.LazyFrame) -> tuple[int, int]:
    """Rows that only the lake has, and rows that only the store has."""
    columns = [name for name in COLUMNS if name in lake.collect_schema()]

    def only(rows: pl.LazyFrame, others: pl.LazyFrame) -> int:
        left = rows.select(columns).join(others, on=columns, how="anti", nulls_equal=True)
        return int(left.select(pl.len()).collect().item())

    return only(lake, store), only(store, lake)


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()
