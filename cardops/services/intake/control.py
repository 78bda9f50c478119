"""What a file must satisfy before its rows are applied: its control file, and a second person.

Belongs here: the two questions that ingestion asks, before it reads a file and before it applies
it. A file that passed once is not asked again, because its rows may be applied by then.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace

from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.reading.source import FileRefusedError
from cardops.ports import ObjectStore
from cardops.rules.intake.arrivals import place_of
from cardops.rules.intake.control_files import (
    MAX_CONTROL_BYTES,
    ControlFile,
    ControlPolicy,
    FileFigures,
    UnreadableControlFileError,
    control_key,
    control_keys,
    differences,
    parse_control,
    signed_bytes,
)
from cardops.rules.intake.files import FileOutcome, FileStatus, IntakeFile
from cardops.rules.intake.objects import ObjectMissingError
from cardops.rules.intake.source_controls import (
    FileHeldError,
    FileHold,
    FilePass,
    HoldEnding,
    HoldReason,
    SourcePolicy,
    SourceState,
    held_sentence,
)
from cardops.services.intake.figures import read_figures, valid_totals
from cardops.services.intake.ports import IngestResult, IntakePorts
from cardops.services.intake.signatures import SignedFigures


@dataclass(frozen=True, slots=True)
class SourceControl:
    """A file with what is demanded of it; `is_passed`: nothing is asked."""

    intake_file: IntakeFile
    profile: KindProfile
    ports: IntakePorts
    state: SourceState
    is_passed: bool = False
    control: ControlFile | None = None
    control_sha256: str | None = None
    key_id: str | None = None

    @property
    def policy(self) -> SourcePolicy:
        """The program's demands now."""
        return self.state.policy

    def before_applying(self, workspace: Workspace) -> None:
        """Raises FileRefusedError, FileHeldError."""
        if self.is_passed:
            return
        if self.control is not None:
            digest = self.intake_file.arrival.content_sha256
            figures = read_figures(workspace, self.profile, digest)
            self._refuse(differences(self.control, figures))
        # One of a program that demands nothing has nothing to repeat.
        if self.profile.applied_to and not (
            self.policy.demands_nothing and self.control is None and not self.state.hold
        ):
            self._pass(workspace)

    def _pass(self, workspace: Workspace) -> None:
        """Record that it passed, or raise FileHeldError where it needs an approval first."""
        totals = valid_totals(workspace, self.profile) if self.policy.has_caps else {}
        count = workspace.count("valid")
        need = self.ports.source_controls.pass_unless_held(
            self.intake_file,
            FilePass(self.control_sha256, self.key_id, count, totals),
            self.policy,
        )
        if need.persons:
            who = "A second person" if need.persons == 1 else "Two different persons"
            sentence = held_sentence(
                self.intake_file,
                " and ".join(need.exceeded),
                f"{who}, not the one who submitted it, {'runs' if need.persons == 1 else 'run'} "
                f"`cardops deposits approve {self.intake_file.intake_id} --by NAME --why TEXT`, or "
                "`cardops deposits reject`.",
            )
            raise FileHeldError(
                FileHold(
                    HoldReason.APPROVAL, sentence, count, totals, approvals_needed=need.persons
                )
            )

    def _refuse(self, found: list[str]) -> None:
        if not found:
            return
        raise FileRefusedError(
            f"{self.intake_file.arrival.key} does not agree with its control file: "
            f"{'; '.join(found)}. Nothing of it was applied: ask the sender for the right file and "
            "control file, then submit both, or run `cardops quarantine release "
            f"{self.intake_file.intake_id}` where only the control file was wrong."
        )

    def _with_control(self, content: bytes) -> "SourceControl":
        """With its control file, whose form, signature and hash are right.

        Raises FileRefusedError, FileHeldError.
        """
        digest = hashlib.sha256(content).hexdigest()
        try:
            control = parse_control(content)
        except UnreadableControlFileError as error:
            raise self._held(f"{error}", digest) from None
        demanded = self.policy.control is not ControlPolicy.NONE
        if demanded and control.missing:
            self._refuse([f"it does not state {' and '.join(control.missing)}"])
        key_id = self._signed_by(control)
        if control.sha256 is not None:
            arrived = self.intake_file.arrival.content_sha256
            stated = ControlFile(sha256=control.sha256)
            self._refuse(differences(stated, FileFigures(0, {}, arrived)))
        return replace(self, control=control, control_sha256=digest, key_id=key_id)

    def _signed_by(self, control: ControlFile) -> str | None:
        """The id of the key that signed it; None where it need not be signed."""
        is_demanded = self.policy.control is ControlPolicy.SIGNED
        if not is_demanded and control.signature is None:
            return None
        program = self.intake_file.arrival.program
        keys = self.ports.source_controls.keys(program)
        if not keys and not is_demanded:
            return None
        message = signed_bytes(
            program,
            FileFigures(control.rows or 0, control.totals_minor or {}, control.sha256 or ""),
        )
        signed = SignedFigures(control, message, program, self.state.claimed_at)
        key_id, problem = signed.problem(keys, self.policy)
        if problem:  # guard: control-signature
            self._refuse([problem])
        return key_id

    def _held(self, why: str, seen: str | None) -> Exception:
        if not self.profile.applied_to:
            return FileRefusedError(
                f"{self.intake_file.arrival.key} was not read, because {why}; send a correct one."
            )
        name = control_key(self.intake_file.arrival.key)
        sentence = held_sentence(
            self.intake_file,
            why,
            f"It goes on by itself when {name} is put beside it; `cardops deposits reject "
            f"{self.intake_file.intake_id} --by NAME --why TEXT` refuses it.",
        )
        return FileHeldError(FileHold(HoldReason.CONTROL_FILE, sentence, seen_version=seen))


def source_control(
    intake_file: IntakeFile, profile: KindProfile, ports: IntakePorts
) -> SourceControl:
    """What is demanded of a file, before it is read.

    Raises FileRefusedError, FileHeldError.
    """
    _require_place(intake_file, profile, ports)
    state = SourceState(SourcePolicy(), ports.clock.now())
    if profile.applied_to:
        state = ports.source_controls.state(intake_file)
    is_passed = state.is_passed or intake_file.status is FileStatus.APPLIED
    found = SourceControl(intake_file, profile, ports, state, is_passed=is_passed)
    if is_passed:
        return found
    outcome = intake_file.outcome if intake_file.status is FileStatus.REFUSED else None
    if outcome and outcome.error and state.last_ending is HoldEnding.REJECTED:
        # A backfill of its date does not undo what a person decided.
        raise FileRefusedError(outcome.error)
    content = control_content_of(ports.raw_store, intake_file)
    if content is not None:
        if not profile.applied_to and ports.known_rows.judged([intake_file.intake_id]):
            # Its rows may be in the lake: a control file that came since refuses nothing half-way.
            return replace(found, is_passed=True)
        return found._with_control(content)  # noqa: SLF001 - the same module
    if found.policy.control is ControlPolicy.NONE or ports.source_controls.is_release(intake_file):
        return found
    raise found._held("its control file has not arrived", None)  # noqa: SLF001 - the same module


def _require_place(intake_file: IntakeFile, profile: KindProfile, ports: IntakePorts) -> None:
    """Refuse again what the claim refused, while its reason lasts: a backfill must not read it."""
    outcome, arrival = intake_file.outcome, intake_file.arrival
    if outcome is None or outcome.error is None or outcome.contract_version is not None:
        return
    is_registered = ports.programs.find(arrival.program) is not None
    registered = {arrival.program} if is_registered else set()
    place = place_of(arrival.key, arrival.kind, registered, profile.contract.formats)
    if place.error:  # guard: registered-program
        raise FileRefusedError(place.error)


def hold_file(intake_file: IntakeFile, hold: FileHold, ports: IntakePorts) -> IngestResult:
    """The result of a file that is held: no row of it was applied."""
    outcome = FileOutcome(error=hold.sentence)
    ports.source_controls.hold(intake_file, hold, outcome)
    return IngestResult(replace(intake_file, status=FileStatus.HELD), outcome)


def control_content_of(store: ObjectStore, intake_file: IntakeFile) -> bytes | None:
    """The file's control file, cut above the largest that is read; None where there is none."""
    for key in control_keys(intake_file.arrival.key):
        with suppress(ObjectMissingError), store.open(key) as stream:
            return stream.read(MAX_CONTROL_BYTES + 1)
    return None
