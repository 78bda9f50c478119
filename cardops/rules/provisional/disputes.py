"""What is due for one disputed purchase: a credit, its end, or the reason why nothing is.

Belongs here: the decision. A credit is given once and ends once: made final or taken back. What the
feed calls won is the merchant's: the user's credit is then taken back.
"""

from datetime import date
from typing import Final

from cardops.rules.payment_names import Subject, payment_name
from cardops.rules.provisional.clocks import ClockName, Preset, ends_on
from cardops.rules.provisional.obstacles import SETTLED, obstacle, user_obstacle
from cardops.rules.provisional.records import (
    CreditRecord,
    DisputeState,
    Favour,
    NoticeKind,
    PostingKind,
    Purchase,
)
from cardops.rules.provisional.steps import Step, Terms, WaitingReason

# Payments without a card: the longer clock of debit card purchases is not theirs.
CARDLESS: Final = frozenset({"bank_transfer", "direct_debit"})


def next_step(
    dispute: DisputeState, purchase: Purchase | None, record: CreditRecord, terms: Terms
) -> Step | WaitingReason | None:
    """The next posting, why there is none yet, or None where nothing is to be posted."""
    if record.end is not None:
        return _after_end(dispute, purchase, record)
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


def is_final_first(taking_back: Step | WaitingReason, last_on: date | None, terms: Terms) -> bool:
    """Regulation Z forbids taking back after the investigation's last day (comment 13(c)(2)-2)."""
    is_in_time = isinstance(taking_back, Step) and (
        last_on is None or taking_back.due_on <= last_on
    )
    return terms.preset is Preset.REGULATION_Z and last_on is not None and not is_in_time


def _after_end(
    dispute: DisputeState, purchase: Purchase | None, record: CreditRecord
) -> WaitingReason | None:
    """Nothing more is posted; a person must know where somebody has too much or too little now."""
    if record.end is None or record.end.decision_number is not None:
        return None
    if record.end.kind is PostingKind.TAKEN_BACK:
        is_reopened = dispute.favour is not Favour.MERCHANT
        return WaitingReason.REOPENED_AFTER_TAKING_BACK if is_reopened else None
    kept = record.end.amount_minor + (record.credit.amount_minor if record.credit else 0)
    is_refunded = purchase is not None and (
        purchase.status == "refunded" or purchase.left_minor < kept
    )
    return WaitingReason.REFUNDED_AFTER_END if is_refunded else None


def _credit(
    dispute: DisputeState, purchase: Purchase | None, terms: Terms
) -> Step | WaitingReason | None:
    reason = obstacle(dispute, purchase, terms)
    last_on = credit_last_on(dispute, purchase, terms)
    if reason is not None or purchase is None or last_on is None:
        return reason or WaitingReason.CLOCK_UNKNOWN
    amount = min(dispute.amount_minor or 0, purchase.left_minor)
    if dispute.favour is Favour.USER and dispute.ended_on is not None:
        corrected_by = terms.last_day(ClockName.CORRECTION, dispute, dispute.ended_on)
        return Step(PostingKind.CREDIT, amount, dispute.ended_on, corrected_by or last_on)
    whole, amount = amount, amount - _withheld(dispute, purchase, terms)
    if amount <= 0:
        # Withheld whole: nobody has decided by the last day, so it is given then, like other rests.
        by = investigated_by(dispute, purchase, terms) or last_on
        return Step(PostingKind.CREDIT, whole, by, by)
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
        if not is_final_first(taking_back, last_on, terms):
            return taking_back
    if last_on is None:
        return WaitingReason.CLOCK_UNKNOWN
    return _final(dispute, purchase, record, (last_on, last_on))


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
    if purchase.status not in SETTLED:
        return WaitingReason.PAYMENT_NOT_SETTLED
    if dispute.currency != purchase.currency or dispute.amount_minor is None:
        return Step(PostingKind.FINAL, 0, *days)
    rest = min(dispute.amount_minor, purchase.left_minor) - credited
    if rest < 0:
        return WaitingReason.AMOUNT_LOWERED
    # Nothing is added for a user who is no longer said to be the buyer.
    differs = user_obstacle(purchase) if rest else None
    return differs or Step(PostingKind.FINAL, rest, *days)


def _taking_back(dispute: DisputeState, record: CreditRecord, terms: Terms) -> Step | WaitingReason:
    if record.credit is None or dispute.ended_on is None:
        return WaitingReason.NOTICE_NOT_SENT
    return taking_back_after(dispute.ended_on, record.credit.amount_minor, record, terms)


def taking_back_after(
    reason_on: date, amount_minor: int, record: CreditRecord, terms: Terms
) -> Step | WaitingReason:
    """Taking back for a reason of that date, once the user was told of it."""
    sent_on = record.notices.get(NoticeKind.TAKING_BACK)
    # A notice of an earlier end, before the dispute was reopened, says nothing of this one.
    if sent_on is None or sent_on < reason_on:  # guard: notice-before-taking-back
        return WaitingReason.NOTICE_NOT_SENT
    due_on = terms.calendar.after(sent_on, terms.notice_days)
    return Step(PostingKind.TAKEN_BACK, amount_minor, due_on, due_on)


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
    is_by_card = payment_name(Subject.PAYMENT_METHOD, method) not in CARDLESS
    return is_by_card or (purchase is not None and _is_new_account(dispute, purchase, terms))
