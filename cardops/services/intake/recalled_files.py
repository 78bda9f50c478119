"""What ingesting does with a recalled deposit file: nothing, and it says so.

Belongs here: whether a file is recalled, what the lake then has of it, and of which file released rows
are. A file is its content: one that arrives again under another key is the recalled one. Rows released
from a file are that file's.
"""

from dataclasses import replace

from cardops.ports import IntakeLedger, Lake
from cardops.rules.intake.arrivals import released_from
from cardops.rules.intake.files import (
    FileOutcome,
    FileStatus,
    IntakeFile,
    IntakeFileMissingError,
)
from cardops.services.intake.lake_files import clear_lake_rows
from cardops.services.intake.ports import IngestResult


def is_recalled(intake_file: IntakeFile, intake_ledger: IntakeLedger) -> bool:
    """Whether the file was recalled, or one whose fate it shares; records that.

    That is one of its program with the same content, and the one whose rows were released into it.
    Call it with the file locked.
    """
    if intake_file.status is FileStatus.RECALLED:
        return True
    if not _shares_recall(intake_file, intake_ledger):
        return False
    intake_ledger.mark(intake_file.intake_id, FileStatus.RECALLED)
    return True


def _shares_recall(intake_file: IntakeFile, intake_ledger: IntakeLedger) -> bool:
    arrival = intake_file.arrival
    if intake_ledger.recalled(arrival.kind, arrival.program, arrival.content_sha256):
        return True
    origin = origin_of(intake_file, intake_ledger)
    if origin is None:
        return False
    return _shares_recall(origin, intake_ledger)  # guard: recalled-origin


def origin_of(intake_file: IntakeFile, intake_ledger: IntakeLedger) -> IntakeFile | None:
    """The file whose rows were released into this one, or None."""
    arrival, origin_id = intake_file.arrival, released_from(intake_file.arrival.key)
    if origin_id is None or origin_id >= intake_file.intake_id:
        return None
    try:
        origin = intake_ledger.find(origin_id)
    except IntakeFileMissingError:
        return None  # a file that somebody gave such a name
    is_own = (origin.arrival.kind, origin.arrival.program) == (arrival.kind, arrival.program)
    return origin if is_own else None


def result_of_recalled(
    intake_file: IntakeFile, lake: Lake, intake_ledger: IntakeLedger
) -> IngestResult:
    """The result of a recalled file: no row of it was read."""
    clear_lake_rows(intake_file, lake, intake_ledger)
    return IngestResult(replace(intake_file, status=FileStatus.RECALLED), FileOutcome())
