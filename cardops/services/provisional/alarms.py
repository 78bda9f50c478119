"""Alarms about disputed money: a balance below zero, a posting that is not possible, a late notice.

Belongs here: their sentences. When they are raised is the caller's.
"""

from collections.abc import Sequence
from typing import Final

from cardops.ports import Notifier
from cardops.rules.money import format_amount
from cardops.rules.provisional.postings import PostingOutcome
from cardops.services.provisional.crediting import PostedStep

RUNBOOK: Final = "docs/runbooks/disputed-money.md"


def report(posted: Sequence[PostedStep], notifier: Notifier) -> None:
    """One alarm for all balances below zero, and one for all postings that were not possible."""
    debts = [step for step in posted if step.is_below_zero]
    if debts:
        notifier.notify(
            f"{len(debts)} balance(s) below zero after a credit was taken back",
            "; ".join(debt_sentence(step) for step in debts),
            runbook=RUNBOOK,
        )
    refused = [step for step in posted if not is_done(step)]
    if refused:
        notifier.notify(
            f"{len(refused)} posting(s) of disputes were not possible",
            "; ".join(refusal_sentence(step) for step in refused),
            runbook=RUNBOOK,
        )


def is_done(step: PostedStep) -> bool:
    """Whether the posting is in the ledger."""
    return step.outcome in {PostingOutcome.POSTED, PostingOutcome.POSTED_BEFORE}


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
