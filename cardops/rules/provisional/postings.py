"""One posting to be made, and what became of it."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.provisional.records import PostingKind


@dataclass(frozen=True, slots=True)
class DuePosting:
    """A posting to the account of the purchase. Of an end, user and amount are the credit's.

    `purchase_minor`: the whole purchase, of which disputes together are given back no more.
    `decision_number`: of the person's decision that it follows.
    """

    key: DisputeKey
    kind: PostingKind
    transaction_id: str
    user_id: str
    currency: str
    amount_minor: int
    purchase_minor: int
    policy: str
    due_on: date
    decision_number: int | None = None


class PostingOutcome(StrEnum):
    """What became of it."""

    POSTED = "posted"
    POSTED_BEFORE = "posted_before"
    BEYOND_PURCHASE = "beyond_purchase"
    OUT_OF_RANGE = "out_of_range"
    ACCOUNT_MISSING = "account_missing"
    DECISION_REPLACED = "decision_replaced"


@dataclass(frozen=True, slots=True)
class PostingResult:
    """The outcome, and what is available on the account after it; None where nothing was posted."""

    outcome: PostingOutcome
    available_minor: int | None = None
