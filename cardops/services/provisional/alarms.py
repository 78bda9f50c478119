"""Alarms about disputed money: a balance below zero, a posting that is not possible, a late notice.

Belongs here: their sentences. When they are raised is the caller's.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from cardops.ports import Notifier
from cardops.rules.alarms.incidents import named
from cardops.rules.money import format_amount
from cardops.rules.provisional.postings import PostingOutcome
from cardops.services.provisional.crediting import Position, PostedStep

RUNBOOK: Final = "docs/runbooks/disputed-money.md"
MAX_NAMED: Final = 50
# The incidents: one each, however many users.
DEBT: Final = "disputed-money:below-zero"
REFUSED: Final = "disputed-money:not-posted"
LATE: Final = "disputed-money:late"
MISSED: Final = "disputed-money:missed-clock"


def report(posted: Sequence[PostedStep], notifier: Notifier) -> None:
    """One alarm for balances below zero, one for postings that were not possible, one for late ones."""
    debts = [step for step in posted if step.is_below_zero]
    if debts:
        notifier.notify(
            f"{len(debts)} balance(s) below zero after a credit was taken back: {_disputes(debts)}",
            "; ".join(debt_sentence(step) for step in debts),
            runbook=RUNBOOK,
            incident=DEBT,
        )
    refused = [step for step in posted if not is_done(step)]
    if refused:
        notifier.notify(
            f"{len(refused)} posting(s) of disputes were not possible: {_disputes(refused)}",
            "; ".join(refusal_sentence(step) for step in refused),
            runbook=RUNBOOK,
            incident=REFUSED,
        )
    late = [step for step in posted if step.is_late and step.outcome is PostingOutcome.POSTED]
    if late:
        notifier.notify(
            f"{len(late)} credit(s) of disputes were given after the last day for it: {_disputes(late)}",
            "; ".join(late_sentence(step) for step in late),
            runbook=RUNBOOK,
            incident=LATE,
        )


def report_missed(positions: Sequence[Position], today: date, notifier: Notifier) -> None:
    """One alarm a night for all of the regulation's clocks that were missed, until each is met."""
    missed = {
        item.dispute.key: clocks
        for item in positions
        if (clocks := list(item.missed_clocks(today)))
    }
    disputes = [f"{key.network}/{key.case_number} of {key.program}" for key in missed]
    if missed:
        sentences = [
            f"{dispute}: {', '.join(clocks)}"
            for dispute, clocks in zip(disputes, missed.values(), strict=True)
        ]
        more = len(sentences) - MAX_NAMED
        rest = f"; and {more} more in `cardops provisional list`" if more > 0 else ""
        notifier.notify(
            f"{len(missed)} dispute(s) missed a clock of their regulation: {named(disputes)}",
            "; ".join(sentences[:MAX_NAMED]) + rest,
            runbook=RUNBOOK,
            incident=MISSED,
        )
    else:
        notifier.resolve(MISSED, "No clock of a dispute's regulation is missed now.")


def is_done(step: PostedStep) -> bool:
    """Whether the posting is in the ledger."""
    return step.outcome in {PostingOutcome.POSTED, PostingOutcome.POSTED_BEFORE}


def _disputes(steps: Sequence[PostedStep]) -> str:
    keys = [step.posting.key for step in steps]
    return named([f"{key.network}/{key.case_number} of {key.program}" for key in keys])


def debt_sentence(step: PostedStep) -> str:
    """Who owes what."""
    posting = step.posting
    available = format_amount(step.available_minor or 0, posting.currency)
    return (
        f"{posting.user_id} of {posting.key.program} has {available} {posting.currency} after "
        f"{format_amount(posting.amount_minor, posting.currency)} of dispute "
        f"{posting.key.network}/{posting.key.case_number} were taken back"
    )


def refusal_sentence(step: PostedStep) -> str:
    """What was not posted, and why."""
    posting = step.posting
    amount = format_amount(posting.amount_minor, posting.currency)
    return (
        f"{posting.kind} of {amount} {posting.currency} for dispute {posting.key.network}/"
        f"{posting.key.case_number} of {posting.key.program} was not posted: {step.outcome}"
    )


def late_sentence(step: PostedStep) -> str:
    """Whose money came late."""
    posting = step.posting
    amount = format_amount(posting.amount_minor, posting.currency)
    return (
        f"{posting.user_id} of {posting.key.program} was given {amount} {posting.currency} of dispute "
        f"{posting.key.network}/{posting.key.case_number} after the last day of its clock"
    )
