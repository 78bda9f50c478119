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
from cardops.rules.intake.control_files import ControlPolicy, SignatureAlgorithm
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.rules.money import format_amount

DEPOSITS: Final = Kind("deposits")
DEFAULT_WAIT_MINUTES: Final = 60
ANY_SIGNATURE: Final = frozenset(SignatureAlgorithm)
TWO_PERSONS: Final = 2


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

    `daily_caps_minor`: the same of all files of a business date that nobody approved.
    `two_approvers_minor`: above this sum, two persons must approve.
    `wait_minutes`: how long a file may wait for its control file before an alarm.
    """

    control: ControlPolicy = ControlPolicy.NONE
    wait_minutes: int = DEFAULT_WAIT_MINUTES
    caps_minor: Mapping[str, int] = field(default_factory=dict)
    changed_by: str = ""
    changed_at: datetime | None = None
    signatures: frozenset[SignatureAlgorithm] = ANY_SIGNATURE
    daily_caps_minor: Mapping[str, int] = field(default_factory=dict)
    two_approvers_minor: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_caps(self) -> bool:
        """Whether a file may need an approval."""
        return bool(self.caps_minor or self.daily_caps_minor or self.two_approvers_minor)

    @property
    def demands_nothing(self) -> bool:
        """Whether no file can be held for it."""
        return self.control is ControlPolicy.NONE and not self.has_caps


@dataclass(frozen=True, slots=True)
class SenderKey:
    """A sender's public key: 32 bytes of Ed25519, or an OpenPGP certificate in binary.

    Several may be valid at once, each for files claimed from `valid_from` until `valid_until`.
    """

    program: str
    key_id: str
    public_key: bytes
    added_by: str = ""
    added_at: datetime | None = None
    revoked_at: datetime | None = None
    algorithm: SignatureAlgorithm = SignatureAlgorithm.ED25519
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def outside_validity(self, claimed_at: datetime) -> str:
        """Why it does not sign a file that was claimed then; empty where it does."""
        if self.valid_from is not None and claimed_at < self.valid_from:
            return f"is valid only from {self.valid_from:%Y-%m-%d %H:%M} UTC on"
        if self.valid_until is not None and claimed_at >= self.valid_until:
            return f"was valid until {self.valid_until:%Y-%m-%d %H:%M} UTC"
        return ""


@dataclass(frozen=True, slots=True)
class FileHold:
    """Why a file is held. `row_count` and `totals_minor` are what would be credited.

    `seen_version`: the version of the control file that could not be used, if there was one.
    `approved_by`: who approved it so far, of the `approvals_needed` different persons.
    """

    reason: HoldReason
    sentence: str
    row_count: int = 0
    totals_minor: Mapping[str, int] = field(default_factory=dict)
    seen_version: str | None = None
    held_at: datetime | None = None
    is_reported: bool = False
    approvals_needed: int = 1
    approved_by: tuple[str, ...] = ()

    def is_overdue(self, policy: SourcePolicy, now: datetime) -> bool:
        """Whether an operator must know: of an approval at once, of a control file after the wait."""
        if self.reason is HoldReason.APPROVAL or self.held_at is None:
            return True
        return now - self.held_at >= timedelta(minutes=policy.wait_minutes)


@dataclass(frozen=True, slots=True)
class FilePass:
    """A file that is to pass: by which control file and key, and what would be credited of it."""

    control_sha256: str | None = None
    key_id: str | None = None
    row_count: int = 0
    totals_minor: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is known of a file before it is judged.

    `policy` is the one in force now. `is_passed`: some of it may be credited already, or it passed.
    `last_ending`: of the latest hold, if it ended.
    """

    policy: SourcePolicy
    claimed_at: datetime
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


@dataclass(frozen=True, slots=True)
class DateSums:
    """Sums of a program's other files of a business date, by currency in minor units.

    `unapproved`: of those that nobody approved; `by_one`: the same with those that one person
    approved.
    """

    unapproved: Mapping[str, int] = field(default_factory=dict)
    by_one: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApprovalNeed:
    """Why a file needs an approval, each sum above its cap as text, and of how many persons."""

    exceeded: tuple[str, ...] = ()
    persons: int = 0


def approval_need(
    policy: SourcePolicy, totals_minor: Mapping[str, int], date_sums: DateSums
) -> ApprovalNeed:
    """What a file with these sums needs, beside the other files of its date; 0 persons: nothing."""
    exceeded: list[str] = []
    needs_two = False
    for currency, minor in sorted(totals_minor.items()):
        has_daily_cap = currency in policy.daily_caps_minor
        of_date = minor + date_sums.unapproved.get(currency, 0)
        # With a cap on the date, whoever splits a file needs two persons all the same.
        not_by_two = minor + (date_sums.by_one.get(currency, 0) if has_daily_cap else 0)
        two = _above(policy.two_approvers_minor, currency, not_by_two, "above which two must agree")
        needs_two = needs_two or bool(two)
        exceeded += [
            *_above(policy.caps_minor, currency, minor, "of a file"),
            *_above(
                policy.daily_caps_minor, currency, of_date, "on what nobody approved of a date"
            ),
            *two,
        ]
    persons = TWO_PERSONS if needs_two else min(len(exceeded), 1)
    return ApprovalNeed(tuple(exceeded), persons)


def _above(caps_minor: Mapping[str, int], currency: str, minor: int, which: str) -> list[str]:
    cap = caps_minor.get(currency)
    if cap is None or minor <= cap:
        return []
    amount, limit = format_amount(minor, currency), format_amount(cap, currency)
    return [f"{amount} {currency} is above the cap of {limit} {which}"]


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
