"""One file ingested: read, judge, apply, quarantine, count.

Belongs here: the order of these steps, and what holds when a run dies between them. Everything up to
`finish` may be done again: rows are applied once, objects are replaced by themselves.
"""

import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import polars as pl

from cardops.contracts.judging.judging import (
    Circumstances,
    judge_rows,
    lake_values,
    referenced_rows,
)
from cardops.contracts.judging.quarantine import mask_card_number_in_raw
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.reading.rows import InputRows
from cardops.contracts.reading.source import FileRefusedError, SourceFile
from cardops.rules.intake.files import FileOutcome, FileStatus, IntakeFile, RowReason
from cardops.rules.programs.programs import Program
from cardops.services.intake.applying import (
    LakeFigures,
    apply_valid,
    conflicting_rows,
    discard_staged,
    write_to_lake,
)
from cardops.services.intake.ports import IngestResult, IntakePorts
from cardops.services.intake.quarantine import (
    quarantine_refusal,
    quarantine_rows,
    quarantined_orphans,
)
from cardops.services.intake.waiting_rows import record_waiting, release_waiting
from cardops.services.intake.workspace import Workspace

# A file whose runs died so often needs a person.
MAX_ATTEMPTS: Final = 5
_ORPHAN: Final = str(RowReason.ORPHANED_REFERENCE)


class AttemptsExhaustedError(RuntimeError):
    """Several runs died at this file, and it is not tried again without a person."""

    def __init__(self, intake_file: IntakeFile) -> None:
        super().__init__(
            f"{intake_file.arrival.key} was begun {MAX_ATTEMPTS} times and never finished, so it "
            "is marked dead; read why the earlier runs failed, then run "
            f"`cardops quarantine release {intake_file.intake_id}`."
        )


class EarlierFileError(RuntimeError):
    """Files are judged in order, so a file that fails holds up later ones for a while."""

    def __init__(self, intake_file: IntakeFile, earlier: IntakeFile, error: Exception) -> None:
        super().__init__(
            f"{intake_file.arrival.key} was not ingested yet, because {earlier.arrival.key} "
            f"arrived before it and cannot be ingested ({error}); it is ingested with the next run "
            f"of its kind, and the earlier file is marked dead after {MAX_ATTEMPTS} attempts."
        )


def ingest_files(
    files: Sequence[IntakeFile], intake_ids: Collection[int], ports: IntakePorts
) -> list[IngestResult]:
    """Ingest the files with these ids, or all given ones where no id is named, in claim order."""
    wanted = set(intake_ids) or {intake_file.intake_id for intake_file in files}
    return [ingest_file(intake_id, ports) for intake_id in sorted(wanted)]


def ingest_file(intake_id: int, ports: IntakePorts) -> IngestResult:
    """Ingest the file, after earlier unfinished ones of its kind and program; under a lock."""
    intake_file = ports.intake_ledger.find(intake_id)
    unfinished = ports.intake_ledger.unfinished(intake_file.arrival.kind)
    for earlier in sorted(unfinished, key=lambda file: file.intake_id):
        if _is_before(earlier, intake_file):
            # It is marked dead by then; the later file goes on.
            with suppress(AttemptsExhaustedError):
                _ingest_earlier(earlier, intake_file, ports)
    return _ingest_exclusively(intake_id, ports)


def _ingest_earlier(earlier: IntakeFile, intake_file: IntakeFile, ports: IntakePorts) -> None:
    try:
        _ingest_exclusively(earlier.intake_id, ports)
    except AttemptsExhaustedError:
        raise
    except Exception as error:  # noqa: BLE001 - its own runs report it; here it explains the delay
        raise EarlierFileError(intake_file, earlier, error) from None


def _is_before(other: IntakeFile, intake_file: IntakeFile) -> bool:
    same_program = other.arrival.program == intake_file.arrival.program
    return same_program and other.intake_id < intake_file.intake_id


def _ingest_exclusively(intake_id: int, ports: IntakePorts) -> IngestResult:
    with ports.intake_ledger.exclusively(intake_id) as intake_file:
        is_unfinished = intake_file.status in {FileStatus.CLAIMED, FileStatus.APPLYING}
        if ports.intake_ledger.begin(intake_id) > MAX_ATTEMPTS and is_unfinished:
            ports.intake_ledger.mark(intake_id, FileStatus.DEAD)
            raise AttemptsExhaustedError(intake_file)
        try:
            result = _ingest(intake_file, ports)
        except FileRefusedError as error:
            path = quarantine_refusal(ports.failed_store, intake_file, str(error))
            outcome = FileOutcome(quarantine_path=path, error=str(error))
            result = IngestResult(intake_file, outcome)
        ports.intake_ledger.finish(intake_id, result.outcome)
        return result


def _ingest(intake_file: IntakeFile, ports: IntakePorts) -> IngestResult:
    # Rows that waited were released into another file: a repeat must not accept them here too.
    is_repeat = intake_file.status is FileStatus.APPLIED
    orphans = quarantined_orphans(ports.failed_store, intake_file) if is_repeat else frozenset()
    with tempfile.TemporaryDirectory(prefix="cardops-intake-") as folder:
        workspace = Workspace(Path(folder))
        rows = _read(workspace, intake_file, ports)
        _judge(workspace, intake_file, ports, orphans=orphans)
        outcome = apply_valid(workspace, intake_file, ports)
        figures = write_to_lake(workspace, outcome, intake_file, ports)
        workspace.add("quarantined", conflicting_rows(workspace, outcome))
        path = quarantine_rows(ports.failed_store, intake_file, workspace.scan("quarantined"), rows)
        released = () if is_repeat else record_waiting(workspace, intake_file, ports)
        released += release_waiting(workspace, outcome, intake_file, ports)
        discard_staged(intake_file, ports)
        counted = _counted(workspace, outcome, figures, rows.unknown_columns, path)
        return IngestResult(intake_file, counted, released)


def _read(workspace: Workspace, intake_file: IntakeFile, ports: IntakePorts) -> InputRows:
    """Fill the dataset `text`. Raises FileRefusedError, before anything is applied."""
    profile = ports.profile(intake_file)
    defaults = _defaults(profile, intake_file.arrival.program, ports)
    with ports.raw_store.open(intake_file.arrival.key) as content:
        rows = InputRows(SourceFile(intake_file.arrival.key, content), profile.contract)
        for chunk in rows.chunks():
            workspace.add("text", mask_card_number_in_raw(chunk).with_columns(defaults))
    return rows


def _defaults(profile: KindProfile, program: str, ports: IntakePorts) -> list[pl.Expr]:
    if not profile.program_currency:
        return []
    currency = (ports.programs.find(program) or Program(program)).currency
    return [pl.col(column).fill_null(currency) for column in profile.program_currency]


def _judge(
    workspace: Workspace,
    intake_file: IntakeFile,
    ports: IntakePorts,
    *,
    orphans: frozenset[int],
) -> None:
    """Split the dataset `text` into `valid`, typed, and `quarantined`, with all reasons."""
    profile = ports.profile(intake_file)
    batch_id = intake_file.batch_id
    circumstances = Circumstances(
        now=ports.clock.now(),
        referenced=_referenced(workspace, intake_file, ports),
        batch_mode=ports.intake_ledger.batch(batch_id).mode if batch_id else None,
        orphans=orphans,
    )
    is_valid = pl.col("reasons").list.len() == 0
    for chunk in workspace.chunks("text"):
        rows = judge_rows(chunk, profile, circumstances)
        workspace.add("valid", lake_values(rows.filter(is_valid), profile))
        quarantined = rows.filter(~is_valid)
        workspace.add(
            "quarantined", quarantined.select("row_number", "reasons", "raw", _waits_for(profile))
        )


def _referenced(
    workspace: Workspace, intake_file: IntakeFile, ports: IntakePorts
) -> pl.DataFrame | None:
    reference = ports.profile(intake_file).reference
    if reference is None:
        return None
    ids = workspace.scan("text").select(reference.key).drop_nulls().unique().collect()
    table = ports.lake.scan(reference.kind)
    return referenced_rows(table, reference, intake_file.arrival.program, ids.to_series())


def _waits_for(profile: KindProfile) -> pl.Expr:
    """The id whose arrival releases the row; only where nothing else is wrong with it."""
    if profile.reference is None:
        return pl.lit(None, pl.String).alias("waits_for")
    waits = (pl.col("reasons").list.len() == 1) & (pl.col("reasons").list.first() == _ORPHAN)
    return pl.when(waits).then(pl.col(profile.reference.key)).alias("waits_for")


def _counted(
    workspace: Workspace,
    outcome: pl.DataFrame,
    figures: LakeFigures,
    unknown_columns: tuple[str, ...],
    path: str | None,
) -> FileOutcome:
    reasons = workspace.scan("quarantined").select(pl.col("reasons").explode()).collect()
    return FileOutcome(
        read=workspace.count("text"),
        accepted=figures.accepted,
        duplicate=outcome.filter(pl.col("outcome") == "duplicate").height,
        quarantined=workspace.count("quarantined"),
        reasons=dict(sorted(Counter(reasons.to_series().drop_nulls()).items())),
        flags=figures.flags,
        totals_minor=figures.totals_minor,
        unknown_columns=unknown_columns,
        quarantine_path=path,
    )
