"""Held files: who may let them go on or refuse them, and when an operator is told.

Belongs here: decisions of people about held files, and files whose control file has come since.
Why a file is held is decided in cardops.services.intake.control.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cardops.ports import Clock, IntakeLedger, Notifier, ObjectStore, SourceControls
from cardops.rules.intake.files import FileOutcome, FileRecalledError, FileStatus, IntakeFile, Kind
from cardops.rules.intake.source_controls import (
    DEPOSITS,
    DecisionRefusedError,
    FileHold,
    HoldEnding,
    HoldReason,
    SourceState,
    may_decide,
    person,
)
from cardops.services.intake.contents import require_claimed_content
from cardops.services.intake.control import control_content_of
from cardops.services.intake.quarantine import quarantine_refusal
from cardops.services.intake.recalled_files import origin_of

RUNBOOK: Final = "docs/runbooks/held-file.md"
# An incident's key before the file's id.
HELD_FILE: Final = "held-file:"
# Held files whose control file is looked for in one poll; each costs a read of the store.
POLLED_FILES: Final = 200


@dataclass(frozen=True, slots=True)
class HeldFiles:
    """Files that wait for a control file or an approval."""

    source_controls: SourceControls
    intake_ledger: IntakeLedger
    raw_store: ObjectStore
    failed_store: ObjectStore
    clock: Clock

    def meant(self, files: Sequence[IntakeFile], name: str) -> IntakeFile:
        """The file that a person means: of several, the one that is held, or was decided about.

        Raises DecisionRefusedError.
        """
        if not files:
            raise DecisionRefusedError(
                f"No deposit file {name} is known; `cardops deposits list --held` shows the held "
                "files."
            )
        held = [file for file in files if file.status is FileStatus.HELD]
        decided = [file for file in files if self.source_controls.state(file).last_ending]
        found = held or decided[-1:] or list(files[-1:])
        if len(found) > 1:
            ids = ", ".join(str(file.intake_id) for file in found)
            raise DecisionRefusedError(
                f"{name} is held more than once (intake ids {ids}); name one of these ids."
            )
        return found[0]

    def approve(self, intake_id: int, by: str, why: str) -> IntakeFile:
        """Approve a held file; with the last approval that it needs it is to be ingested.

        Approving a file again that needs no more approvals changes nothing.
        Raises DecisionRefusedError, FileRecalledError, ContentReplacedError.
        """
        _require_person(by)
        with self.intake_ledger.exclusively(intake_id) as intake_file:
            state = self.source_controls.state(intake_file)
            is_held = intake_file.status is FileStatus.HELD and state.hold is not None
            if not is_held and state.last_ending is HoldEnding.APPROVED:
                return intake_file  # approved before; what is left of it is ingested
            hold = self._decidable(intake_file, state)
            if hold.reason is HoldReason.CONTROL_FILE:
                raise DecisionRefusedError(
                    f"{intake_file.arrival.key} waits for its control file, which an approval does "
                    "not replace; ask the sender for it, or reject the file."
                )
            if not may_decide(by, self._submitters(intake_file)):  # guard: submitter
                raise DecisionRefusedError(
                    f"{by} submitted {intake_file.arrival.key}, so somebody else must approve it."
                )
            if not may_decide(by, hold.approved_by):  # guard: second-approver
                raise DecisionRefusedError(
                    f"{by} approved {intake_file.arrival.key} already, and two different persons "
                    "must; somebody else runs `cardops deposits approve` for the second approval."
                )
            require_claimed_content(self.raw_store, intake_file)
            self.source_controls.approve(intake_id, by=by, why=why)
            return self.intake_ledger.find(intake_id)

    def reject(self, intake_id: int, by: str, why: str) -> IntakeFile:
        """Refuse a held file, whoever submitted it; again changes nothing.

        Raises DecisionRefusedError, FileRecalledError.
        """
        _require_person(by)
        with self.intake_ledger.exclusively(intake_id) as intake_file:
            state = self.source_controls.state(intake_file)
            is_refused = intake_file.status is FileStatus.REFUSED
            if is_refused and state.last_ending is HoldEnding.REJECTED:
                return intake_file
            if not is_refused or state.hold is None:
                self._decidable(intake_file, state)
                sentence = (
                    f"{intake_file.arrival.key} was rejected by {by}: {why}. Nothing of it was "
                    f"credited; `cardops quarantine release {intake_id}` judges it again."
                )
                path = quarantine_refusal(self.failed_store, intake_file.arrival, sentence)
                outcome = FileOutcome(quarantine_path=path, error=sentence)
                self.intake_ledger.finish(intake_id, outcome)
            self.source_controls.end_hold(intake_id, HoldEnding.REJECTED, by=by, why=why)
            return self.intake_ledger.find(intake_id)

    def with_new_control_file(self, kind: Kind) -> list[IntakeFile]:
        """Held files whose control file came, or was replaced, since they were judged."""
        held = self.source_controls.held(kind) if kind == DEPOSITS else ()
        waiting = [(file, hold) for file, hold in held if hold.reason is HoldReason.CONTROL_FILE]
        polled = _portion(waiting, int(self.clock.now().timestamp()))
        return [file for file, hold in polled if self._has_new_control(file, hold)]

    def report(self, notifier: Notifier) -> list[IntakeFile]:
        """Alarm once of each hold that needs a person: approvals at once, control files late."""
        overdue, now = [], self.clock.now()
        for intake_file, hold in self.source_controls.held(DEPOSITS):
            policy = self.source_controls.policy(intake_file.arrival.program)
            if hold.is_overdue(policy, now):
                overdue.append(intake_file)
                if not hold.is_reported:
                    what = (
                        "an approval" if hold.reason is HoldReason.APPROVAL else "its control file"
                    )
                    subject = f"Intake file {intake_file.intake_id} waits for {what}"
                    key = f"{HELD_FILE}{intake_file.intake_id}"
                    notifier.notify(subject, hold.sentence, runbook=RUNBOOK, incident=key)
                    self.source_controls.mark_reported(intake_file.intake_id)
        still = {f"{HELD_FILE}{intake_file.intake_id}" for intake_file in overdue}
        notifier.resolve_except(HELD_FILE, still, "The file is not held any more.")
        return overdue

    def _submitters(self, intake_file: IntakeFile) -> set[str]:
        """Who submitted it, or a file of which its rows were released."""
        found = set(self.source_controls.submitters(intake_file))
        origin = origin_of(intake_file, self.intake_ledger)
        return found if origin is None else found | self._submitters(origin)

    def _has_new_control(self, intake_file: IntakeFile, hold: FileHold) -> bool:
        content = control_content_of(self.raw_store, intake_file)
        return content is not None and hashlib.sha256(content).hexdigest() != hold.seen_version

    @staticmethod
    def _decidable(intake_file: IntakeFile, state: SourceState) -> FileHold:
        if intake_file.status is FileStatus.RECALLED:
            raise FileRecalledError(intake_file)
        if intake_file.status is not FileStatus.HELD or state.hold is None:
            raise DecisionRefusedError(
                f"{intake_file.arrival.key} is {intake_file.status} and not held, so there is nothing "
                "to decide; `cardops deposits list --held` shows the files that are."
            )
        return state.hold


def _portion(
    waiting: Sequence[tuple[IntakeFile, FileHold]], seconds: int
) -> Sequence[tuple[IntakeFile, FileHold]]:
    """The files of one poll: another portion each second, so that every file has its turn."""
    portions = max(1, -(-len(waiting) // POLLED_FILES))
    start = seconds % portions * POLLED_FILES
    return waiting[start : start + POLLED_FILES]


def _require_person(by: str) -> None:
    if not person(by):
        raise DecisionRefusedError("Nothing was decided, because --by is empty; name who decides.")
