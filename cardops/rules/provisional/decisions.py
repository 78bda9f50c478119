"""What a person decided about a disputed purchase that waits, and what follows from it.

Belongs here: which decisions are possible, whether one still stands, and the posting that it asks for.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from cardops.rules.errors import ExplainedError
from cardops.rules.provisional.clocks import Preset
from cardops.rules.provisional.disputes import (
    investigated_by,
    is_final_first,
    next_step,
    taking_back_after,
)
from cardops.rules.provisional.obstacles import lasting_obstacle
from cardops.rules.provisional.records import (
    CreditRecord,
    DecidedStep,
    Decision,
    DecisionKind,
    DisputeState,
    Facts,
    PostingKind,
    Purchase,
)
from cardops.rules.provisional.steps import Step, Terms, WaitingReason

# Of these the amount to give must be said: the dispute has none in the currency of the purchase.
_AMOUNT_NEEDED: Final = frozenset({WaitingReason.AMOUNT_UNKNOWN, WaitingReason.CURRENCY_DIFFERS})
# What is too much of a standing credit can be less than all of it.
_IN_PART: Final = frozenset({WaitingReason.AMOUNT_LOWERED, WaitingReason.REFUNDED_ALREADY})
_POSTING: Final = frozenset(
    {
        (DecisionKind.APPROVED, DecidedStep.CREDIT),
        (DecisionKind.REJECTED, DecidedStep.END),
    }
)


class ImpossibleDecisionError(ExplainedError):
    """The decision was not recorded; the message says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The next posting, or why there is none; both are None where nothing is to be posted.

    `undecided`: why it would wait without a person's decision. `decision`: the one that stands.
    """

    step: Step | None
    waiting: WaitingReason | None
    undecided: WaitingReason | None
    decision: Decision | None


def judge(
    dispute: DisputeState, purchase: Purchase | None, record: CreditRecord, terms: Terms
) -> Verdict:
    """What follows from the clocks, and from what a person decided where these leave it open."""
    found = next_step(dispute, purchase, record, terms)
    if not isinstance(found, WaitingReason):
        return Verdict(found, None, None, None)
    decision = record.decision
    facts = facts_of(found, dispute, purchase, record)
    if decision is None or decision.facts != facts:  # guard: decision-of-these-facts
        return Verdict(None, found, found, None)
    followed = (
        found
        if decision.kind is DecisionKind.DEFERRED
        else _followed(decision, dispute, purchase, record, terms)
    )
    if isinstance(followed, Step):
        return Verdict(followed, None, found, decision)
    return Verdict(None, followed, found, decision)


def facts_of(
    reason: WaitingReason, dispute: DisputeState, purchase: Purchase | None, record: CreditRecord
) -> Facts:
    """What a decision of now would be about."""
    since_on = dispute.ended_on or dispute.notified_on
    if record.credit is None:
        return Facts(DecidedStep.CREDIT, reason, since_on, dispute.amount_minor)
    if record.end is not None:
        return Facts(DecidedStep.AFTER, reason, since_on, None)
    return Facts(DecidedStep.END, reason, since_on, _excess(reason, dispute, purchase, record))


def amount_of(
    kind: DecisionKind, facts: Facts, purchase: Purchase | None, asked_minor: int | None
) -> int | None:
    """What the decision is to post, in the currency of the purchase; None where nothing.

    Raises ImpossibleDecisionError.
    """
    if (kind, facts.step) not in _POSTING:
        if asked_minor is not None:
            raise ImpossibleDecisionError("This decision posts no amount; leave out --amount.")
        return None
    if facts.step is DecidedStep.END:
        most = facts.amount_minor or 0
    else:
        if asked_minor is None and facts.reason in _AMOUNT_NEEDED:
            raise ImpossibleDecisionError(
                "The dispute has no amount in the currency of the purchase; say with --amount what "
                "is to be given back."
            )
        most = purchase.left_minor if purchase else 0
    amount = min(facts.amount_minor or 0, most) if asked_minor is None else asked_minor
    if not 0 < amount <= most:
        raise ImpossibleDecisionError(
            f"{amount} minor units are not from 1 to {most}, which is all that can be posted."
        )
    return amount


def require_possible(
    kind: DecisionKind,
    facts: Facts,
    dispute: DisputeState,
    purchase: Purchase | None,
    terms: Terms,
    today: date,
) -> None:
    """Raises ImpossibleDecisionError where the decision could never be followed."""
    if kind is DecisionKind.DEFERRED:
        return
    is_approval = kind is DecisionKind.APPROVED
    if facts.step is DecidedStep.CREDIT and is_approval:
        lasting = lasting_obstacle(purchase)
        if lasting is not None:
            raise ImpossibleDecisionError(
                f"Nothing can be given back: {lasting}. The purchase, its user and account must be "
                "known, and something of it must be left; reject it, or mend that first."
            )
    if facts.step is DecidedStep.AFTER and is_approval:
        raise ImpossibleDecisionError(
            "A dispute has one credit and one end, and has had both. Pay outside Cardops, if you "
            "owe it, and reject this with --why that says so."
        )
    if facts.step is DecidedStep.END and not is_approval:
        _require_taking_back(facts, dispute, purchase, terms, today)


def _require_taking_back(
    facts: Facts, dispute: DisputeState, purchase: Purchase | None, terms: Terms, today: date
) -> None:
    if facts.reason == WaitingReason.NOTICE_NOT_SENT:
        raise ImpossibleDecisionError(
            "The merchant won: the credit is taken back as soon as the notice of it is recorded, "
            "with `cardops provisional notice`. Approve it to let the user keep the money."
        )
    last_on = investigated_by(dispute, purchase, terms)
    if terms.preset is Preset.REGULATION_Z and last_on is not None and today > last_on:
        raise ImpossibleDecisionError(
            f"Regulation Z lets nothing be taken back after {last_on}; approve it."
        )


def _followed(
    decision: Decision,
    dispute: DisputeState,
    purchase: Purchase | None,
    record: CreditRecord,
    terms: Terms,
) -> Step | WaitingReason | None:
    if decision.facts.step is DecidedStep.AFTER:
        return None
    if decision.facts.step is DecidedStep.CREDIT:
        return _followed_by_credit(decision, purchase)
    on = decision.decided_on
    if decision.kind is DecisionKind.APPROVED:
        return Step(PostingKind.FINAL, 0, on, on, decision.number)
    taking_back = taking_back_after(on, decision.amount_minor or 0, record, terms)
    last_on = investigated_by(dispute, purchase, terms)
    if last_on is not None and is_final_first(taking_back, last_on, terms):
        return Step(PostingKind.FINAL, 0, last_on, last_on)
    if isinstance(taking_back, WaitingReason):
        return taking_back
    return replace(taking_back, decision_number=decision.number)


def _followed_by_credit(
    decision: Decision, purchase: Purchase | None
) -> Step | WaitingReason | None:
    if decision.kind is DecisionKind.REJECTED:
        return None
    lasting = lasting_obstacle(purchase)
    if lasting is not None or purchase is None:
        return lasting
    amount, on = min(decision.amount_minor or 0, purchase.left_minor), decision.decided_on
    return Step(PostingKind.CREDIT, amount, on, on, decision.number)


def _excess(
    reason: WaitingReason, dispute: DisputeState, purchase: Purchase | None, record: CreditRecord
) -> int:
    """What of a standing credit is too much, in minor units."""
    credited = record.credit.amount_minor if record.credit else 0
    # A refund that only the processor reports is of nobody knows how much.
    if reason not in _IN_PART or purchase is None or purchase.status == "refunded":
        return credited
    same_currency = dispute.currency == purchase.currency and dispute.amount_minor is not None
    disputed = (dispute.amount_minor or 0) if same_currency else credited
    return credited - max(0, min(credited, disputed, purchase.left_minor))
