"""The index of known rows against the lake: what later files are judged by against what was accepted.

Belongs here: counting both, file by file, without changing either. Why they are equal, and how they are
made equal again, is in known_rows.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from cardops.ports import IntakeLedger, KnownRows, Lake
from cardops.rules.intake.files import FileStatus, IntakeFile, Kind


@dataclass(frozen=True, slots=True)
class IndexDifference:
    """A file of which the index has another number of rows than the lake."""

    kind: Kind
    intake_id: int
    in_lake: int
    known: int


def index_differences(
    files: Sequence[IntakeFile], lake: Lake, known_rows: KnownRows
) -> Sequence[IndexDifference]:
    """Those of these files, all of one kind; a file that nobody has finished yet is left out."""
    finished = {file.intake_id for file in files if file.outcome}
    if not finished:
        return []
    days = sorted({file.business_date for file in files})
    kind = files[0].arrival.kind
    in_lake = _lake_counts(kind, days, lake)
    return list(_differences(kind, finished, in_lake, known_rows))


def differences_on(
    kind: Kind,
    days: Sequence[date],
    intake_ledger: IntakeLedger,
    lake: Lake,
    known_rows: KnownRows,
) -> Sequence[IndexDifference]:
    """The same for all files of these dates, and for files that the lake has and the ledger does not.

    A database that was restored from an older backup than the lake lacks such files.
    """
    claimed = [file for day in days for file in intake_ledger.claimed_on(kind, day)]
    in_lake = _lake_counts(kind, days, lake)
    finished = {file.intake_id for file in claimed if file.status is FileStatus.APPLIED}
    unknown = in_lake.keys() - {file.intake_id for file in claimed}
    return list(_differences(kind, finished | unknown, in_lake, known_rows))


def _differences(
    kind: Kind, intake_ids: set[int], in_lake: dict[int, int], known_rows: KnownRows
) -> Iterator[IndexDifference]:
    known = known_rows.row_counts(intake_ids)
    for intake_id in sorted(intake_ids):
        found = IndexDifference(kind, intake_id, in_lake.get(intake_id, 0), known.get(intake_id, 0))
        if found.in_lake != found.known:
            yield found


def _lake_counts(kind: Kind, days: Sequence[date], lake: Lake) -> dict[int, int]:
    table = lake.scan(kind, days)
    if table is None:
        return {}
    return dict(table.group_by("intake_id").agg(pl.len()).collect().iter_rows())
