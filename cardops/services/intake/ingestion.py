"""Taking one file in: fetch, judge, apply, keep aside, count. Knows ports, not Dagster.

Belongs here: the order of these steps, and what holds when one of them dies. Everything up to
`finish` may be done again: rows are applied once, objects are replaced by themselves.
"""

import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl

from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.intake.files import FileOutcome, FileStatus, IntakeFile
from cardops.services.intake.applying import (
    Figures,
    apply_valid,
    conflicts,
    forget_staged,
    write_to_lake,
)
from cardops.services.intake.ports import IngestResult, IntakePorts
from cardops.services.intake.quarantine import keep_refusal, keep_rows, orphans_of
from cardops.services.intake.reading import read_into
from cardops.services.intake.waiting_rows import release_waiting, remember_waiting
from cardops.services.intake.workspace import Workspace

# A file that brought its run down so often is for a person to look at.
MAX_ATTEMPTS: Final = 5


class GivenUpError(RuntimeError):
    """A file brought several runs down and is not tried again by itself."""

    def __init__(self, intake_file: IntakeFile) -> None:
        super().__init__(
            f"{intake_file.arrival.key} was begun {MAX_ATTEMPTS} times and never finished, so it "
            "is set aside as dead; look at the earlier runs, then take it in by its number."
        )


class EarlierFileError(RuntimeError):
    """Files are judged in their order, so one that fails holds up those behind it for a while."""

    def __init__(self, intake_file: IntakeFile, earlier: IntakeFile, error: Exception) -> None:
        super().__init__(
            f"{intake_file.arrival.key} was not taken in yet, because {earlier.arrival.key} came "
            f"before it and cannot be taken in ({error}); it is taken in with the next run of its "
            f"kind, and the earlier file is set aside after {MAX_ATTEMPTS} tries."
        )


def ingest_file(intake_id: int, ports: IntakePorts) -> IngestResult:
    """Take the file in, after earlier unfinished ones of its kind and program; alone."""
    intake_file = ports.intake_ledger.find(intake_id)
    unfinished = ports.intake_ledger.unfinished(intake_file.arrival.kind)
    for earlier in sorted(unfinished, key=lambda file: file.intake_id):
        if _is_before(earlier, intake_file):
            # It is marked dead, and that is all this file can do about it.
            with suppress(GivenUpError):
                _ingest_earlier(earlier, intake_file, ports)
    return _ingest_exclusively(intake_id, ports)


def _ingest_earlier(earlier: IntakeFile, intake_file: IntakeFile, ports: IntakePorts) -> None:
    try:
        _ingest_exclusively(earlier.intake_id, ports)
    except GivenUpError:
        raise
    except Exception as error:  # noqa: BLE001 - told by its own runs; here it is what holds up
        raise EarlierFileError(intake_file, earlier, error) from None


def _is_before(other: IntakeFile, intake_file: IntakeFile) -> bool:
    same_program = other.arrival.program == intake_file.arrival.program
    return same_program and other.intake_id < intake_file.intake_id


def _ingest_exclusively(intake_id: int, ports: IntakePorts) -> IngestResult:
    with ports.intake_ledger.exclusively(intake_id) as intake_file:
        if ports.intake_ledger.begin(intake_id) > MAX_ATTEMPTS and _is_unfinished(intake_file):
            ports.intake_ledger.mark(intake_id, FileStatus.DEAD)
            raise GivenUpError(intake_file)
        try:
            taken = _taken(intake_file, ports)
        except FileRefusedError as error:
            path = keep_refusal(ports.failed_store, intake_file, str(error))
            outcome = FileOutcome(quarantine_path=path, error=str(error))
            taken = IngestResult(intake_file, outcome)
        ports.intake_ledger.finish(intake_id, taken.outcome)
        return taken


def _is_unfinished(intake_file: IntakeFile) -> bool:
    return intake_file.status in {FileStatus.CLAIMED, FileStatus.APPLYING}


def _taken(intake_file: IntakeFile, ports: IntakePorts) -> IngestResult:
    # What a file once waited for it was given in another file: a repeat must not take it too.
    is_repeat = intake_file.status is FileStatus.APPLIED
    orphans = orphans_of(ports.failed_store, intake_file) if is_repeat else frozenset()
    with tempfile.TemporaryDirectory(prefix="cardops-intake-") as folder:
        workspace = Workspace(Path(folder))
        rows = read_into(workspace, intake_file, ports, orphans=orphans)
        outcome = apply_valid(workspace, intake_file, ports)
        figures = write_to_lake(workspace, outcome, intake_file, ports)
        workspace.add("kept", conflicts(workspace, outcome))
        path = keep_rows(ports.failed_store, intake_file, workspace.scan("kept"), rows)
        released = () if is_repeat else remember_waiting(workspace, intake_file, ports)
        released += release_waiting(workspace, outcome, intake_file, ports)
        forget_staged(intake_file, ports)
        counted = _counted(workspace, outcome, figures, rows.unknown_columns, path)
        return IngestResult(intake_file, counted, released)


def _counted(
    workspace: Workspace,
    outcome: pl.DataFrame,
    figures: Figures,
    unknown_columns: tuple[str, ...],
    path: str | None,
) -> FileOutcome:
    reasons = workspace.scan("kept").select(pl.col("reasons").explode()).collect().to_series()
    return FileOutcome(
        read=workspace.count("text"),
        accepted=figures.accepted,
        duplicate=outcome.filter(pl.col("outcome") == "duplicate").height,
        quarantined=workspace.count("kept"),
        reasons=dict(sorted(Counter(reasons.drop_nulls()).items())),
        flags=figures.flags,
        totals_minor=figures.totals_minor,
        unknown_columns=unknown_columns,
        quarantine_path=path,
    )
