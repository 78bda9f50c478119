"""A person's decision on a disputed purchase that waits: recorded once, then posted.

Belongs here: the order of the two. The record comes first, so that a command that is killed between
them is finished by the next posting, at night or by command.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.provisional.decisions import (
    ImpossibleDecisionError,
    amount_of,
    facts_of,
    require_possible,
)
from cardops.rules.provisional.records import Decision, DecisionKind
from cardops.services.provisional.crediting import Position, PostedStep, ProvisionalCredits


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """What a person decides. `amount_minor`: in the currency of the purchase, where not all of it.

    `until_on`: of a deferral. `replaces`: the number of the decision that this one corrects.
    """

    key: DisputeKey
    kind: DecisionKind
    decided_by: str
    why: str
    amount_minor: int | None = None
    until_on: date | None = None
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """The decision on record, whether it was there before, and what was posted after it."""

    decision: Decision
    is_repeat: bool
    posted: Sequence[PostedStep]


@dataclass(frozen=True, slots=True)
class ProvisionalDecisions:
    """Decides about disputes under a policy; several persons may do so at once."""

    credits: ProvisionalCredits

    def decide(self, request: DecisionRequest, today: date) -> DecisionResult:
        """Record the decision, and post what follows from it today.

        The same decision again changes nothing. Raises ImpossibleDecisionError, also where another
        person has decided otherwise: a correction names the decision that it replaces.
        """
        position = self._found(request.key)
        decision, is_repeat = self._recorded(request, position, today)
        return DecisionResult(decision, is_repeat, self.credits.post_one(position, today))

    def _found(self, key: DisputeKey) -> Position:
        position = self.credits.find(key)
        if position is None:
            raise ImpossibleDecisionError(
                f"{key.program} has no dispute {key.network}/{key.case_number} under a policy; "
                "`cardops provisional list` shows those it has."
            )
        return position

    def _recorded(
        self, request: DecisionRequest, position: Position, today: date
    ) -> tuple[Decision, bool]:
        known = position.record.decision
        if known is not None and _is_same(known, request) and _is_followed(known, position):
            return known, True
        decision = _decision(request, position, today)
        if not self.credits.ledger.decide(request.key, decision):
            return self._of_another(request)
        return decision, False

    def _of_another(self, request: DecisionRequest) -> tuple[Decision, bool]:
        """Another person was first: the same decision is enough, another one is told."""
        known = self._found(request.key).record.decision
        if known is not None and _is_same(known, request):
            return known, True
        raise ImpossibleDecisionError(
            (_sentence(known) if known else "The dispute was posted meanwhile.")
            + " Nothing was recorded; look at it again with `cardops provisional list`."
        )


def _decision(request: DecisionRequest, position: Position, today: date) -> Decision:
    dispute, purchase = position.dispute, position.purchase
    if position.undecided is None:
        raise ImpossibleDecisionError(
            "Nothing about this dispute waits for a decision; `cardops provisional list` shows what "
            "is due and what stands."
        )
    standing = position.decision
    if standing is not None and standing.kind is not DecisionKind.DEFERRED:  # guard: one-decision
        if request.replaces != standing.number:
            raise ImpossibleDecisionError(
                f"{_sentence(standing)} To correct it, add --replace {standing.number}."
            )
    elif request.replaces is not None:
        raise ImpossibleDecisionError(
            f"Decision {request.replaces} is not the one that stands; leave out --replace."
        )
    if request.kind is DecisionKind.DEFERRED and (request.until_on or today) <= today:
        raise ImpossibleDecisionError("A deferral needs a later date; name it with --until.")
    facts = facts_of(position.undecided, dispute, purchase, position.record)
    require_possible(request.kind, facts, dispute, purchase, position.terms, today)
    last = position.record.decision
    return Decision(
        number=1 if last is None else last.number + 1,
        facts=facts,
        kind=request.kind,
        amount_minor=amount_of(request.kind, facts, purchase, request.amount_minor),
        until_on=request.until_on,
        decided_by=request.decided_by,
        why=request.why,
        decided_on=today,
    )


def _is_same(known: Decision, request: DecisionRequest) -> bool:
    same_amount = request.amount_minor in {None, known.amount_minor}
    return (known.kind, known.until_on) == (request.kind, request.until_on) and same_amount


def _is_followed(known: Decision, position: Position) -> bool:
    """Whether it still stands, or a posting followed it."""
    postings = (position.record.credit, position.record.end)
    followed = any(posted and posted.decision_number == known.number for posted in postings)
    return position.decision == known or (followed and position.undecided is None)


def _sentence(known: Decision) -> str:
    return (
        f"{known.decided_by} {known.kind} it on {known.decided_on} (decision {known.number}): "
        f"{known.why}."
    )
