"""What a program demands of its deposit files, why a file is held, and who may decide about it.

Belongs here: policies, holds and approvals as values, and the rules over them.
"""

import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cardops.rules.errors import ExplainedError
from cardops.rules.intake.control_files import ControlPolicy
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.rules.money import format_amount

DEPOSITS: Final = Kind("deposits")
DEFAULT_WAIT_MINUTES: Final = 60


class HoldReason(StrEnum):
    """What a held file waits for."""

    CONTROL_FILE = "control_file"
    APPROVAL = "approval"


class HoldEnding(StrEnum):
    """How a hold ended. `resumed`: what the file waited for came, or is no longer demanded."""

    RESUMED = "resumed"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """A program's demands. `caps_minor`: above this sum of a currency, a file needs an approval.

    `wait_minutes`: how long a file may wait for its control file before an alarm.
    """

    control: ControlPolicy = ControlPolicy.NONE
    wait_minutes: int = DEFAULT_WAIT_MINUTES
    caps_minor: Mapping[str, int] = field(default_factory=dict)
    changed_by: str = ""
    changed_at: datetime | None = None

    @property
    def demands_nothing(self) -> bool:
        """Whether no file can be held for it."""
        return self.control is ControlPolicy.NONE and not self.caps_minor


@dataclass(frozen=True, slots=True)
class SenderKey:
    """A sender's public Ed25519 key, 32 bytes; several may be valid at once."""

    program: str
    key_id: str
    public_key: bytes
    added_by: str = ""
    added_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FileHold:
    """Why a file is held. `row_count` and `totals_minor` are what would be credited.

    `seen_version`: the version of the control file that could not be used, if there was one.
    """

    reason: HoldReason
    sentence: str
    row_count: int = 0
    totals_minor: Mapping[str, int] = field(default_factory=dict)
    seen_version: str | None = None
    held_at: datetime | None = None
    is_reported: bool = False

    def is_overdue(self, policy: SourcePolicy, now: datetime) -> bool:
        """Whether an operator must know: of an approval at once, of a control file after the wait."""
        if self.reason is HoldReason.APPROVAL or self.held_at is None:
            return True
        return now - self.held_at >= timedelta(minutes=policy.wait_minutes)


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is known of a file before it is judged.

    `policy` is the one in force now, `claimed_under` the one when the file was claimed.
    `is_passed`: its rows may be applied already. `last_ending`: of the latest hold, if it ended.
    """

    policy: SourcePolicy
    claimed_under: SourcePolicy
    is_passed: bool = False
    last_ending: HoldEnding | None = None
    hold: FileHold | None = None


class FileHeldError(ExplainedError):
    """The file is not applied now; it waits for its control file or for an approval."""

    def __init__(self, hold: FileHold) -> None:
        super().__init__(hold.sentence)
        self.hold = hold


class DecisionRefusedError(ExplainedError):
    """A held file cannot be approved or rejected by this person, or not now."""


def above_cap(policy: SourcePolicy, totals_minor: Mapping[str, int]) -> list[str]:
    """Each sum above its currency's cap, as text; empty where no approval is needed."""
    return [
        f"{format_amount(minor, currency)} {currency} is above the cap of "
        f"{format_amount(policy.caps_minor[currency], currency)}"
        for currency, minor in sorted(totals_minor.items())
        if currency in policy.caps_minor and minor > policy.caps_minor[currency]
    ]


def may_decide(by: str, submitters: Collection[str]) -> bool:
    """Whether the person is none of those who submitted the file or the same content."""
    return person(by) not in {person(submitter) for submitter in submitters}


def person(name: str) -> str:
    """A person's name as names are compared: case, width and spaces aside, without the machine."""
    text = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    return text.partition("@")[0].strip() or text


def held_sentence(intake_file: IntakeFile, why: str, what_to_do: str) -> str:
    """What is held, what that means, and what ends it."""
    return f"{intake_file.arrival.key} is held, and nothing of it is credited: {why}. {what_to_do}"
