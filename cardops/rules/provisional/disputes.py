"""What is due for one disputed purchase: a credit, its end, or the reason why nothing is.

Belongs here: the decision. A credit is given once and ends once: made final or taken back. What the
feed calls won is the merchant's: the user's credit is then taken back.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from cardops.rules.provisional.clocks import (
    BusinessDays,
    Clock,
    ClockName,
    Preset,
    ends_on,
    find_clock,
    statement_date,
)
from cardops.rules.provisional.policies import ProvisionalPolicy
from cardops.rules.provisional.records import (
    CreditRecord,
    DisputeState,
    Favour,
    NoticeKind,
    PostingKind,
    Purchase,
)

# Payments without a card: the longer clock of debit card purchases is not theirs.
CARDLESS: Final = frozenset({"ach", "bank_transfer", "direct_debit", "e_check", "echeck", "sepa"})
_SETTLED: Final = frozenset({"completed", "refunded"})


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
    REOPENED_AFTER_TAKING_BACK = "reopened_after_taking_back"


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be posted, and from which day on. `last_on`: the last day that the clock allows."""

    kind: PostingKind
    amount_minor: int
    due_on: date
    last_on: date


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


def next_step(
    dispute: DisputeState, purchase: Purchase | None, record: CreditRecord, terms: Terms
) -> Step | WaitingReason | None:
    """The next posting, why there is none yet, or None where nothing is to be posted."""
    if record.end is not None:
        is_lost_again = record.end.kind is PostingKind.TAKEN_BACK and (
            dispute.favour is not Favour.MERCHANT
        )
        return WaitingReason.REOPENED_AFTER_TAKING_BACK if is_lost_again else None
    if record.credit is not None:
        return _end(dispute, purchase, record, terms)
    if dispute.favour is Favour.MERCHANT:
        return None
    return _credit(dispute, purchase, terms)


def credit_last_on(dispute: DisputeState, purchase: Purchase | None, terms: Terms) -> date | None:
    """The last day for the provisional credit; None where the data has no clock of that date."""
    is_new = purchase is not None and _is_new_account(dispute, purchase, terms)
    since = dispute.notified_on
    longer = terms.last_day(ClockName.CREDIT_NEW_ACCOUNT, dispute, since) if is_new else None
    return longer or terms.last_day(ClockName.CREDIT, dispute, since)


def investigated_by(dispute: DisputeState, purchase: Purchase | None, terms: Terms) -> date | None:
    """The last day to find out; a credit that stands then is final."""
    since = dispute.notified_on
    if terms.preset is Preset.REGULATION_E and _has_longer_clock(dispute, purchase, terms):
        return terms.last_day(ClockName.INVESTIGATION_EXTENDED, dispute, since)
    days = [
        terms.last_day(name, dispute, since)
        for name in (ClockName.INVESTIGATION, ClockName.INVESTIGATION_AT_MOST)
    ]
    return min((day for day in days if day is not None), default=None)


def honoured_until(dispute: DisputeState, record: CreditRecord, terms: Terms) -> date | None:
    """Until when payments to third parties are honoured as if the credit had not been taken back."""
    sent_on = record.notices.get(NoticeKind.TAKING_BACK)
    clock = terms.clock(ClockName.HONOURING, dispute)
    is_taken_back = record.end is not None and record.end.kind is PostingKind.TAKEN_BACK
    if not is_taken_back or sent_on is None or clock is None:
        return None
    # A notice that long before is the regulation's other way.
    return None if terms.notice_days >= clock.count else ends_on(clock, sent_on, terms.calendar)


def _credit(
    dispute: DisputeState, purchase: Purchase | None, terms: Terms
) -> Step | WaitingReason | None:
    reason = _obstacle(dispute, purchase, terms)
    last_on = credit_last_on(dispute, purchase, terms)
    if reason is not None or purchase is None or last_on is None:
        return reason or WaitingReason.CLOCK_UNKNOWN
    amount = min(dispute.amount_minor or 0, purchase.left_minor)
    if dispute.favour is Favour.USER and dispute.ended_on is not None:
        corrected_by = terms.last_day(ClockName.CORRECTION, dispute, dispute.ended_on)
        return Step(PostingKind.CREDIT, amount, dispute.ended_on, corrected_by or last_on)
    amount -= _withheld(dispute, purchase, terms)
    if amount <= 0:
        return None
    days = terms.policy.credit_days
    sooner = last_on if days is None else terms.calendar.after(dispute.notified_on, days)
    return Step(PostingKind.CREDIT, amount, min(sooner, last_on), last_on)


def _end(
    dispute: DisputeState, purchase: Purchase | None, record: CreditRecord, terms: Terms
) -> Step | WaitingReason | None:
    last_on = investigated_by(dispute, purchase, terms)
    # Whoever finds out later than that finds a final credit.
    is_late = last_on is not None and (dispute.ended_on is None or dispute.ended_on > last_on)
    if dispute.favour is Favour.USER and dispute.ended_on is not None:
        by = terms.last_day(ClockName.CORRECTION, dispute, dispute.ended_on) or dispute.ended_on
        return _final(dispute, purchase, record, (dispute.ended_on, by))
    if dispute.favour is Favour.MERCHANT and not is_late:
        taking_back = _taking_back(dispute, record, terms)
        if last_on is None or not _is_final_first(taking_back, last_on, terms):
            return taking_back
    if last_on is None:
        return WaitingReason.CLOCK_UNKNOWN
    return _final(dispute, purchase, record, (last_on, last_on))


def _is_final_first(taking_back: Step | WaitingReason, last_on: date, terms: Terms) -> bool:
    """Regulation Z forbids taking back after the investigation's last day (comment 13(c)(2)-2)."""
    is_in_time = isinstance(taking_back, Step) and taking_back.due_on <= last_on
    return terms.preset is Preset.REGULATION_Z and not is_in_time


def _final(
    dispute: DisputeState,
    purchase: Purchase | None,
    record: CreditRecord,
    days: tuple[date, date],
) -> Step | WaitingReason:
    """With it goes what was withheld or is disputed since, unless the merchant won after the clock."""
    credited = record.credit.amount_minor if record.credit else 0
    if purchase is None or dispute.favour is Favour.MERCHANT:
        return Step(PostingKind.FINAL, 0, *days)
    if purchase.status == "refunded" or purchase.left_minor < credited:
        return WaitingReason.REFUNDED_ALREADY
    rest = min(dispute.amount_minor or 0, purchase.left_minor) - credited
    same_currency = dispute.currency == purchase.currency
    return Step(PostingKind.FINAL, max(0, rest) if same_currency else 0, *days)


def _taking_back(dispute: DisputeState, record: CreditRecord, terms: Terms) -> Step | WaitingReason:
    sent_on = record.notices.get(NoticeKind.TAKING_BACK)
    # A notice of an earlier end, before the dispute was reopened, says nothing of this one.
    is_sent = sent_on is not None and dispute.ended_on is not None and sent_on >= dispute.ended_on
    if not is_sent or sent_on is None or record.credit is None:  # guard: notice-before-taking-back
        return WaitingReason.NOTICE_NOT_SENT
    due_on = terms.calendar.after(sent_on, terms.notice_days)
    return Step(PostingKind.TAKEN_BACK, record.credit.amount_minor, due_on, due_on)


def _obstacle(
    dispute: DisputeState, purchase: Purchase | None, terms: Terms
) -> WaitingReason | None:
    """Why no credit can be given, whatever the day."""
    if dispute.is_inquiry:
        return WaitingReason.INQUIRY
    if dispute.outcome is not None and dispute.favour is None:
        return WaitingReason.OUTCOME_UNKNOWN
    if dispute.amount_minor is None:
        return WaitingReason.AMOUNT_UNKNOWN
    if purchase is None:
        return WaitingReason.TRANSACTION_UNKNOWN
    found = _user_obstacle(purchase) or _money_obstacle(dispute, purchase)
    if found is not None:
        return found
    last_on = terms.last_day(ClockName.NOTIFICATION, dispute, statement_date(purchase.made_on))
    is_late = last_on is not None and dispute.notified_on > last_on
    return WaitingReason.NOTIFIED_LATE if is_late else None


def _user_obstacle(purchase: Purchase) -> WaitingReason | None:
    if purchase.user_id is None:
        return WaitingReason.USER_UNKNOWN
    entry = purchase.entry
    if entry is not None and entry.user_id != purchase.user_id:
        return WaitingReason.USER_DIFFERS
    return WaitingReason.ACCOUNT_UNKNOWN if purchase.available_minor is None else None


def _money_obstacle(dispute: DisputeState, purchase: Purchase) -> WaitingReason | None:
    entry = purchase.entry
    currencies = {
        dispute.currency,
        purchase.currency,
        entry.currency if entry else dispute.currency,
    }
    if len(currencies) > 1:
        return WaitingReason.CURRENCY_DIFFERS
    if purchase.status not in _SETTLED:
        return WaitingReason.PAYMENT_NOT_SETTLED
    is_refunded = entry is not None and entry.spent_minor <= 0
    if purchase.status == "refunded" or is_refunded:
        return WaitingReason.REFUNDED_ALREADY
    return WaitingReason.PURCHASE_GIVEN_BACK if purchase.left_minor <= 0 else None


def _withheld(dispute: DisputeState, purchase: Purchase, terms: Terms) -> int:
    """Cents held back where a transaction may be unauthorized; of no other currency."""
    is_unauthorized = dispute.reason_category == "fraud" and purchase.currency == "USD"
    return terms.policy.withheld_minor if is_unauthorized else 0


def _is_new_account(dispute: DisputeState, purchase: Purchase, terms: Terms) -> bool:
    first_on = purchase.first_deposit_on
    last_on = None if first_on is None else terms.last_day(ClockName.NEW_ACCOUNT, dispute, first_on)
    return last_on is not None and purchase.made_on <= last_on


def _has_longer_clock(dispute: DisputeState, purchase: Purchase | None, terms: Terms) -> bool:
    """A purchase by debit card, or of a new account."""
    method = purchase.payment_method if purchase else None
    is_by_card = (method or "").strip().lower().replace(" ", "_").replace("-", "_") not in CARDLESS
    return is_by_card or (purchase is not None and _is_new_account(dispute, purchase, terms))
