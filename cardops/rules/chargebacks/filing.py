"""Which accepted rows are in a batch's files, and why the others wait.

Belongs here: the words for it. A batch is filed once: from then on its rows never change, and a file
that is ingested later goes into a later batch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from cardops.rules.errors import ExplainedError
from cardops.rules.intake.files import RowFlag


class WaitReason(StrEnum):
    """Why an accepted row is in no chargeback file: a closed set."""

    # Its batch is complete, and its files are about to be made, or making them failed.
    FILES_NOT_MADE = "files_not_made"
    # Another file of its batch is still being ingested.
    BATCH_UNFINISHED = "batch_unfinished"
    # Its own file is still being ingested, is held, or was given up after its runs died.
    FILE_UNFINISHED = "file_unfinished"
    FILE_HELD = "file_held"
    FILE_DEAD = "file_dead"
    # Held by the program's policy.
    REFUNDED_ALREADY = "refunded_already"
    DUPLICATE_CASE = "duplicate_case"
    FAILED_PAYMENT = "failed_payment"
    # The card company rejected it.
    REJECTED = "rejected"
    # It was in a file, and goes into another one with evidence or as accepted: it never waits.
    EVIDENCE = "evidence"


class DisputePolicy(StrEnum):
    """What a program does with a dispute that has one of CHECKED_FLAGS."""

    SEND = "send"
    HOLD = "hold"


# Looked at before a dispute is sent; unless a program says otherwise, it is sent with the flag: holding
# it back may cost its deadline.
CHECKED_FLAGS: Final = (
    RowFlag.REFUNDED_ALREADY,
    RowFlag.DUPLICATE_CASE,
    RowFlag.FAILED_PAYMENT,
)

# Found only then: whether another case is there is known when all rows of the batch are.
FOUND_WHEN_FILED: Final = frozenset({RowFlag.DUPLICATE_CASE})


def policy_problem(flag: str, policy: str) -> str | None:
    """What makes a policy impossible, or None."""
    if flag not in CHECKED_FLAGS:
        return f"{flag[:64]!a} is not checked before sending; use {', '.join(CHECKED_FLAGS)}."
    if policy not in set(DisputePolicy):
        return f"{flag}: {policy[:64]!a} is no policy; use {' or '.join(DisputePolicy)}."
    return None


class BatchUnfinishedError(ExplainedError, RuntimeError):
    """Files of the batch are still being ingested, so its chargeback files cannot be made."""

    def __init__(self, batch_id: str, keys: Sequence[str]) -> None:
        super().__init__(
            f"Batch {batch_id} is not complete: {', '.join(keys)} is still being ingested. Nothing "
            "was made; its files are made by themselves once that ended."
        )


@dataclass(frozen=True, slots=True)
class RowKey:
    """One accepted row: the intake file and its number there."""

    intake_id: int
    row_number: int


@dataclass(frozen=True, slots=True)
class CarriedRow:
    """A row of an earlier batch that was released into this one; `business_date`: that of its file."""

    key: RowKey
    business_date: date
    released_at: datetime


@dataclass(frozen=True, slots=True)
class Release:
    """That a person released a dispute that waited for that reason; its row is in that batch."""

    network: str
    case_number: str
    reason: str
    batch_id: str


@dataclass(frozen=True, slots=True)
class WaitingDispute:
    """An accepted row that is in no file. Its amount is in minor units, a credit's negative."""

    key: RowKey
    program: str
    batch_id: str
    network: str
    case_number: str
    stage: str
    reason: str
    since: datetime
    status: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    reply_by: date | None = None


@dataclass(frozen=True, slots=True)
class SlotWait:
    """Rows of one batch and card company that wait for the same reason; `since`: the first of them."""

    batch_id: str
    network: str
    reason: str
    row_count: int
    since: datetime

    @property
    def text(self) -> str:
        """How many rows wait, why and since when."""
        return f"{self.row_count} {self.reason} since {self.since:%Y-%m-%d}"


def slot_waits(rows: Iterable[WaitingDispute]) -> list[SlotWait]:
    """What waits of each batch and card company, by reason."""
    found: dict[tuple[str, str, str], list[datetime]] = {}
    for row in rows:
        found.setdefault((row.batch_id, row.network, str(row.reason)), []).append(row.since)
    return [SlotWait(*key, len(moments), min(moments)) for key, moments in sorted(found.items())]


@dataclass(frozen=True, slots=True)
class DisputeWait:
    """That a row of a dispute is in none of its batch's files, or was not until it was released."""

    batch_id: str
    stage: str
    reason: str
    since: datetime
    released_to: str | None = None
    released_by: str | None = None
    release_reason: str | None = None
    released_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether the row went into a later batch."""
        return self.released_to is not None


@dataclass(frozen=True, slots=True)
class BatchAccount:
    """One filed batch as the database adds it up, in rows.

    `accepted`: of its files. `carried`: released into it. `made`: what its files account for.
    `waiting`: held, or released into a later batch since.
    """

    batch_id: str
    accepted: int
    carried: int
    made: int
    waiting: int

    @property
    def missing(self) -> int:
        """Rows that are nowhere; negative where rows are there twice."""
        return self.accepted + self.carried - self.made - self.waiting
