"""What can follow for a disputed purchase: a posting, a notice, or a reason why a person is needed.

Belongs here: these words, and the clocks of one dispute. Which of them follows is decided in
disputes.py and notices.py.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from cardops.rules.provisional.clocks import (
    BusinessDays,
    Clock,
    ClockName,
    Preset,
    ends_on,
    find_clock,
)
from cardops.rules.provisional.policies import ProvisionalPolicy
from cardops.rules.provisional.records import DisputeState, NoticeKind, PostingKind


class WaitingReason(StrEnum):
    """Why nothing can be posted by itself."""

    TRANSACTION_UNKNOWN = "transaction_unknown"
    USER_UNKNOWN = "user_unknown"
    ACCOUNT_UNKNOWN = "account_unknown"
    USER_DIFFERS = "user_differs"
    CURRENCY_DIFFERS = "currency_differs"
    AMOUNT_UNKNOWN = "amount_unknown"
    PAYMENT_NOT_SETTLED = "payment_not_settled"
    REFUNDED_ALREADY = "refunded_already"
    PURCHASE_GIVEN_BACK = "purchase_given_back"
    INQUIRY = "inquiry"
    NOTIFIED_LATE = "notified_late"
    CLOCK_UNKNOWN = "clock_unknown"
    OUTCOME_UNKNOWN = "outcome_unknown"
    NOTICE_NOT_SENT = "notice_not_sent"
    AMOUNT_LOWERED = "amount_lowered"
    REOPENED_AFTER_TAKING_BACK = "reopened_after_taking_back"
    REFUNDED_AFTER_END = "refunded_after_end"


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be posted, and from which day on. `last_on`: the last day that the clock allows.

    `decision_number`: of the person's decision that it follows, None where the clocks alone say so.
    """

    kind: PostingKind
    amount_minor: int
    due_on: date
    last_on: date
    decision_number: int | None = None


@dataclass(frozen=True, slots=True)
class OwedNotice:
    """What the user must be told, and by when."""

    kind: NoticeKind
    due_on: date


@dataclass(frozen=True, slots=True)
class Terms:
    """The policy's clocks, for one dispute."""

    policy: ProvisionalPolicy
    preset: Preset
    calendar: BusinessDays

    @property
    def notice_days(self) -> int:
        """Business days between the notice and taking back."""
        return self.policy.notice_days or 0

    def clock(self, name: ClockName, dispute: DisputeState) -> Clock | None:
        """The clock in force when the dispute was notified, with its network's own rule."""
        return find_clock(
            self.preset, name, dispute.notified_on, dispute.key.network, dispute.reason_category
        )

    def last_day(self, name: ClockName, dispute: DisputeState, since: date) -> date | None:
        """The last day of the clock that began then; None where the regulation has no such clock."""
        clock = self.clock(name, dispute)
        return None if clock is None else ends_on(clock, since, self.calendar)
