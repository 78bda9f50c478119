"""One file ingested: read, judge, apply, quarantine, count.

Belongs here: the order of these steps, and what holds when a run dies between them. Everything up to
`finish` may be done again: rows are applied once, objects are replaced by themselves.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from cardops.contracts.judging.files import (
    FileCircumstances,
    judge_chunks,
    rows_of,
    settle_file,
)
from cardops.contracts.judging.workspace import Workspace, temporary_workspace
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.kinds.registry import KINDS, Kinds
from cardops.contracts.reading.rows import InputRows
from cardops.contracts.reading.source import FileRefusedError
from cardops.rules.intake.files import FileOutcome, FileStatus, IntakeFile
from cardops.rules.intake.objects import ObjectMissingError
from cardops.rules.intake.source_controls import FileHeldError
from cardops.services.intake.circumstances import circumstances_of
from cardops.services.intake.contents import (
    ContentReplacedError,
    claimed_content,
    require_claimed_content,
)
from cardops.services.intake.control import hold_file, source_control
from cardops.services.intake.group_ingestion import ingest_groups
from cardops.services.intake.judging import judge_in_turn
from cardops.services.intake.known_rows import record_from_lake
from cardops.services.intake.lake_files import write_lake_rows
from cardops.services.intake.ports import IngestResult, IntakePorts
from cardops.services.intake.progress import tell_of_judged
from cardops.services.intake.quarantine import (
    quarantine_in_turn,
    quarantine_refusal,
    quarantined_orphans,
)
from cardops.services.intake.recalled_files import is_recalled, result_of_recalled
from cardops.services.intake.shared_ids import EarlierFiles
from cardops.services.intake.waiting_rows import record_waiting, release_waiting

# A file whose runs died so often needs a person.
MAX_ATTEMPTS: Final = 5
# After so many the cause is no single file's, such as a database that is down: the rest is not tried.
MAX_FAILED_IN_A_ROW: Final = 5
KEPT: Final = (
    "Its content is no longer there, so it was not read again; what it brought before stays."
)
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
    """Files that share ids are ingested in order, so one that fails holds up those after it."""

    def __init__(self, intake_file: IntakeFile, earlier: IntakeFile, error: Exception) -> None:
        super().__init__(
            f"{intake_file.arrival.key} was not ingested yet, because it has ids of "
            f"{earlier.arrival.key}, which comes before it and cannot be ingested ({error}); it is "
            "ingested with the next run of its kind, and the earlier file is marked dead after "
            f"{MAX_ATTEMPTS} attempts."
        )


def ingest_files(
    files: Sequence[IntakeFile],
    intake_ids: Collection[int],
    ports: IntakePorts,
    kinds: Kinds = KINDS,
) -> list[IngestResult]:
    """Ingest the files with these ids, or all given ones where no id is named, in claim order.

    Small files are ingested in groups. A file that fails holds up no other; its error is raised after
    the last file was tried. Where no id is named, as in a backfill, one that was ingested and can be read no
    more is kept as it is.
    """
    wanted = set(intake_ids) or {intake_file.intake_id for intake_file in files}
    ingestion = Ingestion(ports, kinds, keeps_unreadable=not intake_ids)
    with ports.intake_ledger.one_session():
        small = [intake_file for intake_file in files if intake_file.intake_id in wanted]
        grouped = ingest_groups(small, ports, kinds, ingestion.earlier, ingestion.finish_recorded)
        results = [
            grouped.get(intake_id) or ingestion.tried(intake_id) for intake_id in sorted(wanted)
        ]
    errors = [
        ingestion.failures[intake_id] for intake_id in sorted(wanted & set(ingestion.failures))
    ]
    for error in errors[1:]:
        errors[0].add_note(str(error))
    if errors:
        raise errors[0]
    return [result for result in results if result is not None]


def ingest_file(intake_id: int, ports: IntakePorts, kinds: Kinds = KINDS) -> IngestResult:
    """Ingest the file under a lock, after earlier unfinished ones that share ids with it."""
    with ports.intake_ledger.one_session():
        return Ingestion(ports, kinds).ingest(intake_id)


@dataclass
class Ingestion:
    """Files ingested one after another. `failures`: why a file failed; it is not tried twice."""

    ports: IntakePorts
    kinds: Kinds
    keeps_unreadable: bool = False
    failures: dict[int, Exception] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.earlier = EarlierFiles(self.ports, self.kinds)
        self._failed_in_a_row = 0

    def tried(self, intake_id: int) -> IngestResult | None:
        """The result, or None and an entry in `failures`."""
        if intake_id in self.failures:
            return None
        if self._failed_in_a_row >= MAX_FAILED_IN_A_ROW:
            return None
        try:
            result = self.ingest(intake_id)
        except Exception as error:  # noqa: BLE001 - raised when the others were tried
            self.failures[intake_id] = error
            self._failed_in_a_row += 1
            return None
        self._failed_in_a_row = 0
        return result

    def ingest(self, intake_id: int) -> IngestResult:
        """Ingest the file under its lock."""
        ledger = self.ports.intake_ledger
        with ledger.exclusively(intake_id) as intake_file:
            if is_recalled(intake_file, ledger):  # guard: recalled-ingest
                return result_of_recalled(intake_file, self.ports.lake, ledger)
            is_unfinished = intake_file.status in UNFINISHED
            if not is_unfinished and (kept := self._kept(intake_file)):
                return kept
            attempt = ledger.begin(intake_id)
            if attempt > MAX_ATTEMPTS and is_unfinished:
                ledger.mark(intake_id, FileStatus.DEAD)
                raise AttemptsExhaustedError(intake_file)
            try:
                result = self._applied_or_refused(self._in_its_batch(intake_file), attempt)
            except FileHeldError as error:
                return hold_file(intake_file, error.hold, self.ports)
            except EarlierFileError:
                ledger.forget_attempt(intake_id)  # it waited, and failed at nothing
                raise
            ledger.finish(intake_id, result.outcome)
            return result

    def _kept(self, intake_file: IntakeFile) -> IngestResult | None:
        """The result of a file that cannot be read again, which leaves it as it is; None where it can.

        Raises ContentReplacedError, ObjectMissingError where somebody asked for this one.
        """
        try:
            require_claimed_content(self.ports.raw_store, intake_file)
        except (ContentReplacedError, ObjectMissingError):
            if not self.keeps_unreadable or intake_file.outcome is None:
                raise
            return IngestResult(intake_file, intake_file.outcome, kept=KEPT)
        return None

    def _in_its_batch(self, intake_file: IntakeFile) -> IntakeFile:
        """The file as it was begun: its batch may have been filed without it, and it is in a later one."""
        if intake_file.batch_id is None:
            return intake_file
        batch_id = self.ports.intake_ledger.find(intake_file.intake_id).batch_id
        return replace(intake_file, batch_id=batch_id)

    def _applied_or_refused(self, intake_file: IntakeFile, attempt: int) -> IngestResult:
        try:
            return _ingest(intake_file, self)
        except FileRefusedError as error:
            return _refused(intake_file, error, self)
        except ContentReplacedError as error:
            if attempt > 1 or intake_file.attempt_series or intake_file.status not in UNFINISHED:
                raise  # some of its rows may be applied, which a refused file never has
            return _refused(intake_file, error, self)

    def finish_sharing_ids(self, intake_file: IntakeFile, workspace: Workspace) -> None:
        """Ingest earlier unfinished files with ids of this one. Raises EarlierFileError."""
        for earlier in self.earlier.sharing_ids(intake_file, workspace):
            self._finish(earlier.intake_id, intake_file)

    def finish_recorded(self, earlier_id: int, intake_file: IntakeFile) -> None:
        """End the ingestion of a file whose rows are recorded, but not known to be in the lake.

        Raises EarlierFileError.
        """
        if not self._finish(earlier_id, intake_file):
            with self.ports.intake_ledger.exclusively(earlier_id) as earlier:
                # Nobody will: its rows count if its lake file was written.
                record_from_lake(earlier, self.ports, self.kinds)

    def _finish(self, earlier_id: int, intake_file: IntakeFile) -> bool:
        """Whether the file is ingested now; False where it was given up."""
        earlier = self.ports.intake_ledger.find(earlier_id)
        if earlier.status not in UNFINISHED:
            return False
        if earlier_id in self.failures:
            raise EarlierFileError(intake_file, earlier, self.failures[earlier_id])
        try:
            self.ingest(earlier_id)
        except AttemptsExhaustedError:
            return False
        except Exception as error:  # noqa: BLE001 - its own runs report it; here it explains the delay
            self.failures[earlier_id] = error
            raise EarlierFileError(intake_file, earlier, error) from None
        return True


def _refused(intake_file: IntakeFile, error: Exception, ingestion: Ingestion) -> IngestResult:
    path = quarantine_refusal(ingestion.ports.failed_store, intake_file.arrival, str(error))
    version = ingestion.kinds[intake_file.arrival.kind].contract.version
    outcome = FileOutcome(quarantine_path=path, error=str(error), contract_version=version)
    return IngestResult(intake_file, outcome)


def _ingest(intake_file: IntakeFile, ingestion: Ingestion) -> IngestResult:
    ports, kinds = ingestion.ports, ingestion.kinds
    profile = kinds[intake_file.arrival.kind]
    # Rows that waited were released into another file: a repeat must not accept them here too.
    is_repeat = intake_file.status is FileStatus.APPLIED
    control = source_control(intake_file, profile, ports)
    orphans = quarantined_orphans(ports.failed_store, intake_file) if is_repeat else frozenset()
    if profile.reference is not None:
        # A repeat that was killed is not known for one any more, but its rows remain released.
        orphans |= ports.intake_ledger.released_rows(intake_file.intake_id)
    circumstances = circumstances_of(intake_file, ports, kinds, orphans)
    with temporary_workspace() as workspace:
        rows = _judged(profile, circumstances, workspace, ports)
        control.before_applying(workspace)
        if not is_repeat:
            ingestion.finish_sharing_ids(intake_file, workspace)
        applier = ports.applier(profile)
        if applier is None:
            finish = partial(ingestion.finish_recorded, intake_file=intake_file)
            outcomes, settled = judge_in_turn(workspace, intake_file, ports, kinds, finish)
        else:
            outcomes = applier.apply(intake_file, partial(workspace.chunks, "valid"))
            settled = settle_file(workspace, profile, outcomes, intake_file)
        write_lake_rows(intake_file, settled.lake_path, ports.lake, ports.intake_ledger)
        if applier is None:
            ports.known_rows.mark_in_lake(intake_file.intake_id)
        path = quarantine_in_turn(ports, intake_file, workspace.scan("quarantined"), rows)
        released = () if is_repeat else record_waiting(workspace, intake_file, ports, kinds)
        released += release_waiting(workspace, outcomes, intake_file, ports, kinds)
        if applier is not None:
            applier.discard_staged(intake_file)
        outcome = replace(
            settled.outcome,
            unknown_columns=rows.unknown_columns,
            quarantine_path=path,
            contract_version=profile.contract.version,
        )
        return IngestResult(intake_file, outcome, released)


def _judged(
    profile: KindProfile,
    circumstances: FileCircumstances,
    workspace: Workspace,
    ports: IntakePorts,
) -> InputRows:
    with claimed_content(ports.raw_store, circumstances.intake_file) as content:
        rows = rows_of(content, profile, circumstances)
        tell_of_judged(judge_chunks(rows, profile, circumstances, workspace))
    return rows
