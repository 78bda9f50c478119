"""What comes next on a chargeback file's way: the decision table, and how long to wait.

Belongs here: decisions over what was seen. The CSV and its control file go as a pair: both are
written and verified under temporary names, then the intent is recorded, then the CSV is renamed
and the control file last. One recorded intent therefore tells, after any crash, that a temporary
name which is gone was renamed. Does not belong here: talking to a server.
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
# Steps of one delivery without a crash are seven; more means that the server plays games.
MAX_STEPS: Final = 12


class RemoteFile(StrEnum):
    """What a name at the card company holds, beside what it should."""

    ABSENT = "absent"
    MATCHES = "whole"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class RemoteState:
    """The four names of one delivery, as the server shows them."""

    csv: RemoteFile = RemoteFile.ABSENT
    csv_part: RemoteFile = RemoteFile.ABSENT
    control: RemoteFile = RemoteFile.ABSENT
    control_part: RemoteFile = RemoteFile.ABSENT

    def after_rename(self, step: "Step") -> "RemoteState":
        """What must be there once that rename was verified."""
        if step is Step.RENAME_CSV:
            return replace(self, csv=self.csv_part, csv_part=RemoteFile.ABSENT)
        return replace(self, control=self.control_part, control_part=RemoteFile.ABSENT)


class Step(StrEnum):
    """The next thing to do, or why there is none."""

    WRITE_CSV = "write_csv"
    WRITE_CONTROL = "write_control"
    RECORD_INTENT = "record_intent"
    RENAME_CSV = "rename_csv"
    RENAME_CONTROL = "rename_control"
    DONE = "done"
    STOP_DIFFERENT = "stop_different"
    UNCONFIRMED = "unconfirmed"


def next_step(seen: RemoteState, *, is_intended: bool) -> Step:
    """The one thing to do next; the same answer after a crash as without one."""
    if RemoteFile.DIFFERENT in {seen.csv, seen.control}:
        return Step.STOP_DIFFERENT
    if seen.control is RemoteFile.MATCHES:
        # The control file is renamed last, so its CSV was there; it may be collected already.
        return Step.DONE if is_intended or seen.csv is RemoteFile.MATCHES else Step.UNCONFIRMED
    return _when_intended(seen) if is_intended else _when_not_intended(seen)


def _when_not_intended(seen: RemoteState) -> Step:
    if seen.csv is RemoteFile.ABSENT and seen.csv_part is not RemoteFile.MATCHES:
        return Step.WRITE_CSV
    if seen.control_part is not RemoteFile.MATCHES:
        return Step.WRITE_CONTROL
    return Step.RECORD_INTENT


def _when_intended(seen: RemoteState) -> Step:
    if seen.csv is RemoteFile.ABSENT:
        return _finish(seen.csv_part, Step.RENAME_CSV, Step.WRITE_CSV)
    return _finish(seen.control_part, Step.RENAME_CONTROL, Step.WRITE_CONTROL)


def _finish(part: RemoteFile, rename: Step, write: Step) -> Step:
    """A temporary name that is gone may have been renamed and collected: nobody can tell."""
    if part is RemoteFile.ABSENT:
        return Step.UNCONFIRMED
    return rename if part is RemoteFile.MATCHES else write


def state_after_refusal(state: DeliveryState, seen: RemoteState | None) -> DeliveryState:
    """Where a permanent error leaves a delivery.

    An intent on record is withdrawn only where it is certain that nothing was placed.
    """
    if state is not DeliveryState.SENDING:
        return DeliveryState.FAILED
    nothing_placed = (
        seen is not None and seen.csv is RemoteFile.ABSENT and seen.csv_part is RemoteFile.MATCHES
    )
    return DeliveryState.FAILED if nothing_placed else DeliveryState.SENDING


def pause_seconds(attempt: int, chance: float) -> float:
    """How long to wait after this attempt (from 1): doubling, with full jitter; chance in [0, 1)."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * (1 << (attempt - 1)))
    return longest * (0.5 + chance / 2)
