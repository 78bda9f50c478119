"""The next step of a chargeback file's delivery: the decision table, and how long to wait.

Belongs here: decisions over the state of the remote files. The CSV, its control file and, where it has
one, its archive of evidence are delivered together: all are written and verified under temporary names,
then the intent is recorded, then the evidence is renamed, the CSV, and the control file last. After a
crash the recorded intent therefore proves that a missing temporary file was renamed. Does not belong
here: talking to a server.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from cardops.rules.deliveries.records import DeliveryState

# The partner polls *.csv, so a half-written file must never carry that name.
PART_SUFFIX: Final = ".part"
MAX_ATTEMPTS: Final = 4
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
# A delivery without a crash takes seven steps; more means that the server's files keep changing.
MAX_STEPS: Final = 14


class RemoteFile(StrEnum):
    """A file at the card company compared with the one we made."""

    ABSENT = "absent"
    MATCHES = "whole"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class RemoteState:
    """The remote files of one delivery; `evidence` is None where it has none."""

    csv: RemoteFile = RemoteFile.ABSENT
    csv_part: RemoteFile = RemoteFile.ABSENT
    control: RemoteFile = RemoteFile.ABSENT
    control_part: RemoteFile = RemoteFile.ABSENT
    evidence: RemoteFile | None = None
    evidence_part: RemoteFile = RemoteFile.ABSENT

    @property
    def is_complete(self) -> bool:
        """Whether all but the control file have their final names."""
        return self.csv is RemoteFile.MATCHES and self.evidence in {None, RemoteFile.MATCHES}

    def after_rename(self, step: "Step") -> "RemoteState":
        """The state once that rename succeeded."""
        if step is Step.RENAME_EVIDENCE:
            return replace(self, evidence=self.evidence_part, evidence_part=RemoteFile.ABSENT)
        if step is Step.RENAME_CSV:
            return replace(self, csv=self.csv_part, csv_part=RemoteFile.ABSENT)
        return replace(self, control=self.control_part, control_part=RemoteFile.ABSENT)


class Step(StrEnum):
    """The next step, or why there is none (the last three)."""

    WRITE_CSV = "write_csv"
    WRITE_EVIDENCE = "write_evidence"
    WRITE_CONTROL = "write_control"
    RECORD_INTENT = "record_intent"
    RENAME_EVIDENCE = "rename_evidence"
    RENAME_CSV = "rename_csv"
    RENAME_CONTROL = "rename_control"
    DONE = "done"
    STOP_DIFFERENT = "stop_different"
    UNCONFIRMED = "unconfirmed"


def next_step(state: RemoteState, *, is_intended: bool) -> Step:
    """The step to take next; a crash before it makes no difference."""
    if RemoteFile.DIFFERENT in {state.csv, state.control, state.evidence}:
        return Step.STOP_DIFFERENT
    if state.control is RemoteFile.MATCHES:
        # The control file is renamed last, so the others were there; they may be collected already.
        return Step.DONE if is_intended or state.is_complete else Step.UNCONFIRMED
    return _when_intended(state) if is_intended else _when_not_intended(state)


def _when_not_intended(state: RemoteState) -> Step:
    if state.csv is RemoteFile.ABSENT and state.csv_part is not RemoteFile.MATCHES:
        return Step.WRITE_CSV
    if state.evidence is RemoteFile.ABSENT and state.evidence_part is not RemoteFile.MATCHES:
        return Step.WRITE_EVIDENCE
    if state.control_part is not RemoteFile.MATCHES:
        return Step.WRITE_CONTROL
    return Step.RECORD_INTENT


def _when_intended(state: RemoteState) -> Step:
    # Evidence is renamed before its CSV: once that is there, missing evidence was collected.
    was_collected = state.csv is RemoteFile.MATCHES and state.evidence_part is RemoteFile.ABSENT
    if state.evidence is RemoteFile.ABSENT and not was_collected:
        return _finish(state.evidence_part, Step.RENAME_EVIDENCE, Step.WRITE_EVIDENCE)
    if state.csv is RemoteFile.ABSENT:
        return _finish(state.csv_part, Step.RENAME_CSV, Step.WRITE_CSV)
    return _finish(state.control_part, Step.RENAME_CONTROL, Step.WRITE_CONTROL)


def _finish(part: RemoteFile, rename: Step, write: Step) -> Step:
    """A missing temporary file may have been renamed and collected: only a person can find out."""
    if part is RemoteFile.ABSENT:
        return Step.UNCONFIRMED
    return rename if part is RemoteFile.MATCHES else write


def state_after_refusal(state: DeliveryState, remote: RemoteState | None) -> DeliveryState:
    """The state of a delivery after a permanent error; `remote` is None if it was never inspected.

    A recorded intent is withdrawn only where it is certain that nothing got its final name.
    """
    if state is not DeliveryState.SENDING:
        return DeliveryState.FAILED
    nothing_delivered = (
        remote is not None
        and remote.csv is RemoteFile.ABSENT
        and remote.csv_part is RemoteFile.MATCHES
        and (
            remote.evidence is None
            or (remote.evidence, remote.evidence_part) == (RemoteFile.ABSENT, RemoteFile.MATCHES)
        )
    )
    return DeliveryState.FAILED if nothing_delivered else DeliveryState.SENDING


def pause_seconds(attempt: int, chance: float) -> float:
    """Seconds to wait after this attempt (from 1), doubling, with jitter; `chance` is in [0, 1)."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * (1 << (attempt - 1)))
    return longest * (0.5 + chance / 2)
