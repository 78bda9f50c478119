"""Moves old callbacks and attempts from the store to the lake, whole and once.

For each day: its file is written to the lake, then recorded in the store, then the rows that are in
the file are deleted, a small batch in each commit. A run that is killed in between is continued by the
next one: an unrecorded file is written again under its name, from rows that are all still there; a
recorded one is never written again, and its own rows say what is left to delete.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import polars as pl

from cardops.contracts.lake.callback_archive import KEYS
from cardops.ports import CallbackArchive, Lake
from cardops.rules.callbacks.archives import ArchivedTable, ArchivePart

# Small commits: a decision never waits for one, and vacuum follows.
DELETED_AT_ONCE: Final = 1_000
READ_AT_ONCE: Final = 100_000
# No callback is older.
FIRST_DAY: Final = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class CallbackArchiving:
    """Archives delivered callbacks, and attempts at any callback, once their retention has ended."""

    archive: CallbackArchive
    lake: Lake

    def archive_until(self, business_date: date) -> Iterator[ArchivePart]:
        """Archive what ended too long before that date; each part as its rows are deleted.

        Dead and pending callbacks stay.
        """
        with self.archive.exclusively():
            for table in ArchivedTable:
                for part in self.archive.to_delete(table):
                    self._delete(part)
                yield from self._archive(table, business_date)

    def _archive(self, table: ArchivedTable, business_date: date) -> Iterator[ArchivePart]:
        until = self.archive.retention.ends_at(table, business_date)
        day = self.archive.next_day(table, FIRST_DAY, until)
        while day is not None:
            with TemporaryDirectory(prefix="cardops-archive-") as folder:
                parquet = Path(folder) / "part.parquet"
                part = self.archive.export(table, day, until, parquet)
                if part is not None:
                    self.lake.write_file(table, day, part.name, parquet)
                    self.archive.record(part)  # guard: recorded-before-deleted
            if part is not None:
                self._delete(part)
                yield part
            day = self.archive.next_day(table, day, until)

    def _delete(self, part: ArchivePart) -> None:
        """Delete what the lake has of the day: the part's rows, and those of earlier parts again."""
        archived = self.lake.scan(part.table, [part.business_date])
        if archived is not None:
            keys = archived.select(KEYS[part.table])
            count = keys.select(pl.len()).collect().item()
            for start in range(0, count, READ_AT_ONCE):
                read = keys.slice(start, READ_AT_ONCE).collect()
                for batch in read.iter_slices(DELETED_AT_ONCE):
                    ids, instants = (batch.get_column(name) for name in KEYS[part.table])
                    self.archive.delete(part.table, ids.to_list(), instants.to_list())
        self.archive.finish(part)
