"""What is due to users of whom purchases are disputed, and posting it: at night, or by command.

Belongs here: facts in, positions out, and posting what is due. Nothing but the ledger's keys decides
whether a posting was made before, so a run that was killed is repeated, and two at once are one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from cardops.ports import Lake, ProvisionalLedger, ProvisionalPolicies
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.provisional.clocks import BusinessDays
from cardops.rules.provisional.decisions import judge
from cardops.rules.provisional.disputes import credit_last_on, honoured_until, investigated_by
from cardops.rules.provisional.notices import pending_notices
from cardops.rules.provisional.policies import US_BANKING_DAYS, ProvisionalPolicy, policy_of
from cardops.rules.provisional.postings import DuePosting, PostingOutcome
from cardops.rules.provisional.records import (
    CreditRecord,
    Decision,
    DisputeState,
    Favour,
    PostingKind,
    Purchase,
)
from cardops.rules.provisional.steps import OwedNotice, Step, Terms, WaitingReason
from cardops.services.intake.holiday_dates import holiday_dates
from cardops.services.provisional.lake_facts import LakeFacts

# What is no dispute, or was told too late, or of which everything was given back, has no clock.
CLOCKLESS: Final = frozenset(
    {
        WaitingReason.INQUIRY,
        WaitingReason.NOTIFIED_LATE,
        WaitingReason.REFUNDED_ALREADY,
        WaitingReason.PURCHASE_GIVEN_BACK,
        WaitingReason.PAYMENT_NOT_SETTLED,
    }
)


class BankingHolidays:
    """The holidays of the Federal Reserve in whatever year is asked for."""

    def __contains__(self, day: object) -> bool:
        """Whether it is one."""
        return isinstance(day, date) and day in holiday_dates(US_BANKING_DAYS, (day.year,))


CALENDAR: Final = BusinessDays(BankingHolidays())


@dataclass(frozen=True, slots=True)
class Position:
    """One dispute: its next step or why there is none, its pending notices and its clocks.

    `undecided`: why it would wait without the decision of a person that stands, if there is one.
    """

    dispute: DisputeState
    purchase: Purchase | None
    record: CreditRecord
    terms: Terms
    step: Step | None
    waiting: WaitingReason | None
    undecided: WaitingReason | None
    decision: Decision | None
    notices: Sequence[OwedNotice]
    credit_last_on: date | None
    investigated_by: date | None
    honoured_until: date | None

    @property
    def policy(self) -> ProvisionalPolicy:
        """The policy that the dispute is under."""
        return self.terms.policy

    def needs_person(self, today: date) -> bool:
        """Whether it waits for a decision or a notice, and nobody deferred it beyond that day.

        Deferring moves no clock: on its last day the dispute is shown again.
        """
        if self.waiting is None:
            return False
        until = self.decision.until_on if self.decision else None
        last_on = self.waits_until
        return until is None or until <= today or (last_on is not None and last_on <= today)

    def is_due(self, today: date) -> bool:
        """Whether its next step is to be posted by that day."""
        return self.step is not None and self.step.due_on <= today

    @property
    def waits_until(self) -> date | None:
        """The last day of the clock that runs while it waits; None where none does."""
        if self.waiting in CLOCKLESS or self.record.end is not None:
            return None
        return self.credit_last_on if self.record.credit is None else self.investigated_by

    @property
    def has_clock(self) -> bool:
        """Whether a regulation's clock runs for its credit, or for the end of one."""
        is_settled = self.step is None and self.waiting is None
        return not (self.waiting in CLOCKLESS or is_settled or self.record.end is not None)

    def missed_clocks(self, today: date) -> Iterator[str]:
        """Which of the regulation's days passed without what was due on them."""
        credit, credit_by = self.record.credit, self.credit_last_on
        if self.has_clock:
            if credit is None and credit_by is not None and credit_by < today:
                yield "credit"
            last_on = self.investigated_by
            if credit is not None and last_on is not None and last_on < today:
                yield "investigation"
        if any(notice.due_on < today for notice in self.notices):
            yield "notice"

    def is_overdue(self, today: date) -> bool:
        """Whether it waits for a person although the clock is over."""
        last_on = self.waits_until
        return self.waiting is not None and last_on is not None and last_on < today

    def is_ending(self, today: date) -> bool:
        """Whether a credit that is given now ends at once."""
        last_on = self.investigated_by
        is_over = last_on is not None and last_on <= today
        return self.record.credit is None and (is_over or self.dispute.favour is Favour.USER)

    @property
    def is_in_debt(self) -> bool:
        """Whether the credit was taken back and the user's balance is below zero."""
        end, purchase = self.record.end, self.purchase
        is_taken_back = end is not None and end.kind is PostingKind.TAKEN_BACK
        available = purchase.available_minor if purchase else None
        return is_taken_back and available is not None and available < 0


@dataclass(frozen=True, slots=True)
class PostedStep:
    """What became of a due posting, and what is available on the account after it.

    `is_late`: the user should have had the money on an earlier day.
    """

    posting: DuePosting
    outcome: PostingOutcome
    available_minor: int | None
    is_late: bool = False

    @property
    def is_below_zero(self) -> bool:
        """Whether taking back left the user in debt."""
        return self.available_minor is not None and self.available_minor < 0


@dataclass(frozen=True, slots=True)
class ProvisionalCredits:
    """Programs without a policy, and disputes from before it, are left alone."""

    policies: ProvisionalPolicies
    ledger: ProvisionalLedger
    lake: Lake

    def positions(self, program: str | None = None) -> Iterator[Position]:
        """Every dispute under a policy, oldest first within its program."""
        for name, policies in self.policies.all().items():
            if program in {None, name}:
                yield from self._of_program(name, policies)

    def find(self, key: DisputeKey) -> Position | None:
        """One dispute under a policy."""
        found = (item for item in self.positions(key.program) if item.dispute.key == key)
        return next(found, None)

    def post_one(self, position: Position, today: date) -> list[PostedStep]:
        """Post what of one dispute is due by that day, with what the ledger has of it by now."""
        return list(self._post(self._current(position), today))

    def post_due(self, today: date, program: str | None = None) -> Iterator[PostedStep]:
        """Post what is due by that day, each once; safe to kill and to run again.

        A dispute that is decided for the user before any credit gets the credit and its end at once.
        """
        for position in self.positions(program):
            yield from self._post(position, today)

    def _post(self, position: Position, today: date) -> Iterator[PostedStep]:
        if not position.is_due(today):
            return
        # Another dispute of the purchase, or another process, may have posted since the facts were read.
        current = self._current(position)
        while current.step is not None and current.is_due(today):
            posted = self._posted(current, current.step, today)
            yield posted
            if posted.outcome is not PostingOutcome.POSTED or not current.is_ending(today):
                return
            current = self._current(current)

    def _posted(self, position: Position, step: Step, today: date) -> PostedStep:
        dispute, purchase = position.dispute, position.purchase
        posting = DuePosting(
            key=dispute.key,
            kind=step.kind,
            transaction_id=dispute.transaction_id or "",
            user_id=(purchase.user_id if purchase else None) or "",
            currency=(purchase.currency if purchase else dispute.currency) or "",
            amount_minor=step.amount_minor,
            purchase_minor=purchase.amount_minor if purchase else 0,
            policy=position.policy.name,
            due_on=step.due_on,
            decision_number=step.decision_number,
        )
        result = self.ledger.post(posting)
        is_given = step.kind is not PostingKind.TAKEN_BACK and step.amount_minor > 0
        is_late = is_given and step.decision_number is None and step.last_on < today
        return PostedStep(posting, result.outcome, result.available_minor, is_late)

    def _of_program(
        self, program: str, policies: Sequence[ProvisionalPolicy]
    ) -> Iterator[Position]:
        facts = LakeFacts(self.lake, program)
        # A credit must end whatever became of the policy or of the dispute's date since it was given.
        standing = self.ledger.standing(program)
        disputes = facts.disputes(min(policy.since_on for policy in policies), standing)
        if not disputes:
            return
        ids = {dispute.transaction_id for dispute in disputes if dispute.transaction_id}
        purchases = self._in_ledger(program, facts.purchases(ids), disputes)
        records = self.ledger.records([dispute.key for dispute in disputes])
        for dispute in disputes:
            record = records.get(dispute.key, CreditRecord())
            credited_by = record.credit.policy if record.credit else None
            policy = policy_of(policies, dispute.notified_on, credited_by)
            preset = policy.name.preset if policy else None
            if policy is None or preset is None:
                continue
            purchase = purchases.get(dispute.key)
            yield _position(dispute, purchase, record, Terms(policy, preset, CALENDAR))

    def _current(self, position: Position) -> Position:
        """The same, with what the ledger has of it by now."""
        dispute = position.dispute
        ids = {dispute.transaction_id} if dispute.transaction_id else set()
        known = {} if position.purchase is None else dict.fromkeys(ids, position.purchase)
        purchases = self._in_ledger(dispute.key.program, known, [dispute])
        return _position(
            dispute,
            purchases.get(dispute.key),
            self.ledger.records([dispute.key]).get(dispute.key, CreditRecord()),
            position.terms,
        )

    def _in_ledger(
        self, program: str, purchases: Mapping[str, Purchase], disputes: Sequence[DisputeState]
    ) -> Mapping[DisputeKey, Purchase]:
        """The purchase of each dispute, with what the ledger has of it."""
        entries = self.ledger.entries(program, purchases)
        credited = self.ledger.credited(program, purchases)
        accounts = self.ledger.balances(
            {(program, item.user_id, item.currency) for item in purchases.values() if item.user_id}
        )
        found: dict[DisputeKey, Purchase] = {}
        for dispute in disputes:
            transaction_id = dispute.transaction_id or ""
            purchase = purchases.get(transaction_id)
            if purchase is not None:
                others = credited.get(transaction_id, {})
                found[dispute.key] = replace(
                    purchase,
                    available_minor=accounts.get(
                        (program, purchase.user_id or "", purchase.currency)
                    ),
                    entry=entries.get(transaction_id),
                    credited_minor=sum(
                        amount for key, amount in others.items() if key != dispute.key
                    ),
                )
        return found


def _position(
    dispute: DisputeState, purchase: Purchase | None, record: CreditRecord, terms: Terms
) -> Position:
    verdict = judge(dispute, purchase, record, terms)
    return Position(
        dispute=dispute,
        purchase=purchase,
        record=record,
        terms=terms,
        step=verdict.step,
        waiting=verdict.waiting,
        undecided=verdict.undecided,
        decision=verdict.decision,
        notices=tuple(pending_notices(dispute, purchase, record, terms, verdict.decision)),
        credit_last_on=credit_last_on(dispute, purchase, terms),
        investigated_by=investigated_by(dispute, purchase, terms),
        honoured_until=honoured_until(dispute, record, terms),
    )
