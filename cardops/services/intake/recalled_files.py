"""What ingesting does with a recalled deposit file: nothing, and it says so.

Belongs here: whether a file is recalled, and what the lake then has of it. A file is its content: one
that arrives again under another key is the recalled one.
"""

from dataclasses import replace

from cardops.contracts.lake.tables import empty_frame
from cardops.ports import IntakeLedger, Lake
from cardops.rules.intake.files import FileOutcome, FileStatus, IntakeFile
from cardops.services.intake.ports import IngestResult


def is_recalled(intake_file: IntakeFile, intake_ledger: IntakeLedger) -> bool:
    """Whether the file, or one of its program with the same content, was recalled; records that.

    Call it with the file locked.
    """
    if intake_file.status is FileStatus.RECALLED:
        return True
    arrival = intake_file.arrival
    if intake_ledger.recalled(arrival.kind, arrival.program, arrival.content_sha256) is None:
        return False
    intake_ledger.mark(intake_file.intake_id, FileStatus.RECALLED)
    return True


def result_of_recalled(intake_file: IntakeFile, lake: Lake) -> IngestResult:
    """The result of a recalled file: no row of it was read."""
    clear_lake_file(intake_file, lake)
    return IngestResult(replace(intake_file, status=FileStatus.RECALLED), FileOutcome())


def clear_lake_file(intake_file: IntakeFile, lake: Lake) -> None:
    """The lake's deposits are those that stand; the transaction log keeps what happened."""
    kind = intake_file.arrival.kind
    lake.write(kind, intake_file.business_date, intake_file.lake_name, empty_frame(kind))
