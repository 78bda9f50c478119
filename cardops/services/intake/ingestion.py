"""One file ingested: read, judge, apply, quarantine, count.

Belongs here: the order of these steps, and what holds when a run dies between them. Everything up to
`finish` may be done again: rows are applied once, objects are replaced by themselves.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from cardops.contracts.judging.files import (
    FileCircumstances,
    judge_file,
    settle_file,
)
from cardops.contracts.judging.workspace import temporary_workspace
from cardops.contracts.kinds.registry import KINDS, Kinds
from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.intake.files import FileOutcome, FileStatus, IntakeFile
from cardops.rules.intake.source_controls import FileHeldError
from cardops.rules.programs.programs import Program
from cardops.services.intake.contents import (
    ContentReplacedError,
    claimed_content,
    require_claimed_content,
)
from cardops.services.intake.control import hold_file, source_control
from cardops.services.intake.judging import judge_in_turn
from cardops.services.intake.known_rows import record_from_lake, referenced_by
from cardops.services.intake.ports import IngestResult, IntakePorts
from cardops.services.intake.quarantine import (
    quarantine_refusal,
    quarantine_rows,
    quarantined_orphans,
)
from cardops.services.intake.recalled_files import is_recalled, result_of_recalled
from cardops.services.intake.waiting_rows import record_waiting, release_waiting

# A file whose runs died so often needs a person.
MAX_ATTEMPTS: Final = 5
UNFINISHED: Final = frozenset({FileStatus.CLAIMED, FileStatus.APPLYING})


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
    files: Sequence[IntakeFile],
    intake_ids: Collection[int],
    ports: IntakePorts,
    kinds: Kinds = KINDS,
) -> list[IngestResult]:
    """Ingest the files with these ids, or all given ones where no id is named, in claim order."""
    wanted = set(intake_ids) or {intake_file.intake_id for intake_file in files}
    return [ingest_file(intake_id, ports, kinds) for intake_id in sorted(wanted)]


def ingest_file(intake_id: int, ports: IntakePorts, kinds: Kinds = KINDS) -> IngestResult:
    """Ingest the file, after earlier unfinished ones of its kind and program; under a lock."""
    intake_file = ports.intake_ledger.find(intake_id)
    unfinished = ports.intake_ledger.unfinished(intake_file.arrival.kind)
    for earlier in sorted(unfinished, key=lambda file: file.intake_id):
        if _is_before(earlier, intake_file):
            # It is marked dead by then; the later file goes on.
            with suppress(AttemptsExhaustedError):
                _ingest_earlier(earlier, intake_file, ports, kinds)
    return _ingest_exclusively(intake_id, ports, kinds)


def _ingest_earlier(
    earlier: IntakeFile, intake_file: IntakeFile, ports: IntakePorts, kinds: Kinds
) -> None:
    try:
        _ingest_exclusively(earlier.intake_id, ports, kinds)
    except AttemptsExhaustedError:
        raise
    except Exception as error:  # noqa: BLE001 - its own runs report it; here it explains the delay
        raise EarlierFileError(intake_file, earlier, error) from None


def _is_before(other: IntakeFile, intake_file: IntakeFile) -> bool:
    same_program = other.arrival.program == intake_file.arrival.program
    return same_program and other.intake_id < intake_file.intake_id


def _ingest_exclusively(intake_id: int, ports: IntakePorts, kinds: Kinds) -> IngestResult:
    with ports.intake_ledger.exclusively(intake_id) as intake_file:
        if is_recalled(intake_file, ports.intake_ledger):  # guard: recalled-ingest
            return result_of_recalled(intake_file, ports.lake)
        is_unfinished = intake_file.status in UNFINISHED
        if not is_unfinished:
            # A repeat that cannot be done leaves the file as it is.
            require_claimed_content(ports.raw_store, intake_file)
        attempt = ports.intake_ledger.begin(intake_id)
        if attempt > MAX_ATTEMPTS and is_unfinished:
            ports.intake_ledger.mark(intake_id, FileStatus.DEAD)
            raise AttemptsExhaustedError(intake_file)
        try:
            result = _ingest(intake_file, ports, kinds)
        except FileHeldError as error:
            return hold_file(intake_file, error.hold, ports)
        except FileRefusedError as error:
            result = _refused(intake_file, error, ports)
        except ContentReplacedError as error:
            if attempt > 1 or intake_file.attempt_series or not is_unfinished:
                raise  # some of its rows may be applied, which a refused file never has
            result = _refused(intake_file, error, ports)
        ports.intake_ledger.finish(intake_id, result.outcome)
        return result


def _refused(intake_file: IntakeFile, error: Exception, ports: IntakePorts) -> IngestResult:
    path = quarantine_refusal(ports.failed_store, intake_file, str(error))
    return IngestResult(intake_file, FileOutcome(quarantine_path=path, error=str(error)))


def _ingest(intake_file: IntakeFile, ports: IntakePorts, kinds: Kinds) -> IngestResult:
    profile = kinds[intake_file.arrival.kind]
    # Rows that waited were released into another file: a repeat must not accept them here too.
    is_repeat = intake_file.status is FileStatus.APPLIED
    control = source_control(intake_file, profile, ports)
    orphans = quarantined_orphans(ports.failed_store, intake_file) if is_repeat else frozenset()
    circumstances = _circumstances(intake_file, ports, kinds, orphans)
    with temporary_workspace() as workspace:
        with claimed_content(ports.raw_store, intake_file) as content:
            rows = judge_file(content, profile, circumstances, workspace)
        control.before_applying(workspace)
        applier = ports.applier(profile)
        if applier is None:
            finish = partial(_finish, ports=ports, kinds=kinds)
            outcomes, settled = judge_in_turn(workspace, intake_file, ports, kinds, finish)
        else:
            outcomes = applier.apply(intake_file, partial(workspace.chunks, "valid"))
            settled = settle_file(workspace, profile, outcomes, intake_file)
        ports.lake.write_file(
            profile.kind, intake_file.business_date, intake_file.lake_name, settled.lake_path
        )
        if applier is None:
            ports.known_rows.mark_in_lake(intake_file.intake_id)
        path = quarantine_rows(ports.failed_store, intake_file, workspace.scan("quarantined"), rows)
        released = () if is_repeat else record_waiting(workspace, intake_file, ports, kinds)
        released += release_waiting(workspace, outcomes, intake_file, ports, kinds)
        if applier is not None:
            applier.discard_staged(intake_file)
        outcome = replace(
            settled.outcome, unknown_columns=rows.unknown_columns, quarantine_path=path
        )
        return IngestResult(intake_file, outcome, released)


def _finish(intake_id: int, *, ports: IntakePorts, kinds: Kinds) -> None:
    """End the ingestion of a file whose rows are recorded, but not known to be in the lake."""
    intake_file = ports.intake_ledger.find(intake_id)
    if intake_file.status in UNFINISHED:
        with suppress(AttemptsExhaustedError):
            _ingest_exclusively(intake_id, ports, kinds)
            return
    with ports.intake_ledger.exclusively(intake_id):
        # Nobody will: its rows count if its lake file was written.
        record_from_lake(intake_file, ports, kinds)


def _circumstances(
    intake_file: IntakeFile, ports: IntakePorts, kinds: Kinds, orphans: frozenset[int]
) -> FileCircumstances:
    program, batch_id = intake_file.arrival.program, intake_file.batch_id
    return FileCircumstances(
        intake_file,
        currency=(ports.programs.find(program) or Program(program)).currency,
        now=ports.clock.now(),
        batch_mode=ports.intake_ledger.batch(batch_id).mode if batch_id else None,
        referenced=referenced_by(kinds[intake_file.arrival.kind], program, ports, kinds),
        orphans=orphans,
        mapping=ports.intake_ledger.mapping_of(intake_file),
    )
