"""What is known of one disputed purchase: the dispute, the purchase, and what was posted and sent.

Belongs here: facts. What follows from them is decided in disputes.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.data_tables import read_table


class Favour(StrEnum):
    """For whom a dispute ended."""

    USER = "user"
    MERCHANT = "merchant"


class PostingKind(StrEnum):
    """What is posted to the user's account; at most a credit, and one of the other two."""

    CREDIT = "provisional_credit"
    FINAL = "credit_made_final"
    TAKEN_BACK = "credit_taken_back"


class NoticeKind(StrEnum):
    """What the user must be told."""

    ACKNOWLEDGEMENT = "acknowledgement"
    CREDIT = "credit"
    TAKING_BACK = "taking_back"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class DisputeState:
    """A dispute by its last step. `outcome` and `ended_on` are None while it is open.

    `amount_minor`: of the last step that took money, None where there is none.
    """

    key: DisputeKey
    transaction_id: str | None
    notified_on: date
    is_inquiry: bool
    outcome: str | None
    ended_on: date | None
    amount_minor: int | None
    currency: str | None
    reason_category: str | None

    @property
    def favour(self) -> Favour | None:
        """For whom it ended; None while it is open, and where the outcome does not say."""
        return favours().get(self.outcome) if self.outcome else None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The purchase in the ledger: who was debited, and what of it was not refunded since."""

    user_id: str
    currency: str
    spent_minor: int


@dataclass(frozen=True, slots=True)
class Purchase:
    """The disputed purchase as its processor reports it, and what the ledger has of it.

    `first_deposit_on`: of the user, None where it is not known. `available_minor`: on the user's account,
    None where there is none. `credited_minor`: what other disputes of the purchase were credited and kept.
    """

    user_id: str | None
    amount_minor: int
    currency: str
    status: str
    made_on: date
    payment_method: str | None = None
    first_deposit_on: date | None = None
    available_minor: int | None = None
    entry: LedgerEntry | None = None
    credited_minor: int = 0

    @property
    def left_minor(self) -> int:
        """What of it can still be given back."""
        spent = self.amount_minor if self.entry is None else self.entry.spent_minor
        return min(self.amount_minor, spent) - self.credited_minor


@dataclass(frozen=True, slots=True)
class Posted:
    """One posting of a dispute; a credit that was made final may post nothing more.

    `policy`: the regulation by which it was made. `decision_number`: of the decision it followed.
    """

    kind: PostingKind
    amount_minor: int
    posted_on: date
    policy: str = ""
    decision_number: int | None = None


class DecisionKind(StrEnum):
    """What a person decided about a disputed purchase that waited."""

    APPROVED = "approved"
    REJECTED = "rejected"
    DEFERRED = "deferred"


class DecidedStep(StrEnum):
    """What a decision is about: the credit, its end, or what came after its end."""

    CREDIT = "credit"
    END = "end"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision was about. Where any of it is different by now, a person must decide again.

    `reason`: why the purchase waited; `since_on`: the dispute's end, else its notice; `amount_minor`:
    what was disputed, or what of a standing credit was too much.
    """

    step: DecidedStep
    reason: str
    since_on: date
    amount_minor: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """The latest decision about a dispute: what is to be posted, or until when it waits, and why."""

    number: int
    facts: Facts
    kind: DecisionKind
    amount_minor: int | None
    until_on: date | None
    decided_by: str
    why: str
    decided_on: date


@dataclass(frozen=True, slots=True)
class CreditRecord:
    """What was posted, when the latest notice of each kind was sent, and what was decided last."""

    credit: Posted | None = None
    end: Posted | None = None
    notices: Mapping[NoticeKind, date] = field(default_factory=dict)
    decision: Decision | None = None

    @property
    def kept_minor(self) -> int:
        """What the user was given and keeps, in minor units."""
        given = self.credit.amount_minor if self.credit else 0
        if self.end is None:
            return given
        is_taken_back = self.end.kind is PostingKind.TAKEN_BACK
        return given - self.end.amount_minor if is_taken_back else given + self.end.amount_minor


def favours() -> Mapping[str, Favour]:
    """Outcome -> for whom; outcomes that do not say are absent."""
    rows = read_table("dispute_outcomes")
    return {row["outcome"]: Favour(row["favours"]) for row in rows if row["favours"]}
