"""Between the rules' values and the arrays of the money path's statements."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cardops.rules.authorization import (
    AccountKey,
    AccountState,
    BatchState,
    Decision,
    Known,
    Question,
)
from cardops.rules.limits import LimitKind, SpendingLimit


@dataclass(slots=True)
class Taken:
    """What a batch takes from one account."""

    taken_minor: int = 0
    held_minor: int = 0
    ledger_seq: int = 0


def keys_of(questions: Sequence[Question]) -> tuple[list[str], ...]:
    """Arguments of the locking statement: distinct accounts, distinct ids, by column."""
    accounts = sorted({question.account_key for question in questions})
    ids = sorted({question.id_key for question in questions})
    return (
        [key[0] for key in accounts],
        [key[1] for key in accounts],
        [key[2] for key in accounts],
        [key[0] for key in ids],
        [key[1] for key in ids],
    )


def batch_state(rows: Iterable[Mapping[str, Any]]) -> BatchState:
    """What the locking statement read."""
    state = BatchState()
    for row in rows:
        tag, program, name, currency, available, held, seq, is_blocked, asked, answer = row.values()
        if tag == "account":
            state.accounts[program, name, currency] = AccountState(
                available, held, seq, is_blocked=is_blocked
            )
        elif tag == "decision":
            state.known[program, name] = Known(asked, answer)
        elif tag == "void":
            state.tombstones.add((program, name))
        else:
            limit = SpendingLimit(LimitKind(tag), available, held, seq)
            state.limits.setdefault((program, name, currency), []).append(limit)
    return state


def absent_accounts(questions: Sequence[Question], state: BatchState) -> tuple[list[str], ...]:
    """Arguments of the statement for accounts that are not there: by column, distinct."""
    absent = sorted({one.account_key for one in questions} - state.accounts.keys())
    return tuple([key[column] for key in absent] for column in range(3))


def add_absent(state: BatchState, rows: Iterable[Mapping[str, Any]]) -> None:
    """What was read of accounts that are not there."""
    for row in rows:
        program, user_id, currency, is_known, is_blocked = row.values()
        state.accounts[program, user_id, currency] = AccountState(
            exists=False, is_known_user=is_known, is_blocked=is_blocked
        )


def write_arguments(
    decisions: Sequence[Decision], at: datetime, hold_ends_at: datetime
) -> tuple[list[object], int]:
    """Arguments of the write statement, and how many accounts it must change."""
    taken = _taken(decisions)
    asked = [decision.question for decision in decisions]
    accounts = [(*key, one.taken_minor, one.held_minor) for key, one in taken.items()]
    arguments: list[object] = [
        [question.program for question in asked],
        [question.transaction_id for question in asked],
        [question.authorization_id for question in asked],
        [question.question_hash for question in asked],
        [question.user_id for question in asked],
        [question.currency for question in asked],
        [question.amount_minor for question in asked],
        [question.is_capture for question in asked],
        [decision.status.value for decision in decisions],
        [decision.reason_code.value for decision in decisions],
        [decision.remaining_minor for decision in decisions],
        [decision.ledger_seq for decision in decisions],
        [decision.answer for decision in decisions],
        [question.details for question in asked],
        [question.key_id for question in asked],
        [question.request_id for question in asked],
        at,
        hold_ends_at,
        *([account[column] for account in accounts] for column in range(5)),
        [
            new_callback_id(at, number) if question.callback_url else None
            for number, question in enumerate(asked)
        ],
        [question.callback_url for question in asked],
        [question.is_test for question in asked],
        [one.ledger_seq for one in taken.values()],
    ]
    return arguments, len(taken)


def new_callback_id(at: datetime, number: int) -> str:
    """`cb_` and what sorts by time of making, then by number within its batch."""
    return f"{callback_id_from(at)}{number:04x}{secrets.token_hex(6)}"


def callback_id_from(at: datetime) -> str:
    """What is below every id made at that instant or later."""
    return f"cb_{int(at.timestamp() * 1_000_000):016x}"


def _taken(decisions: Sequence[Decision]) -> dict[AccountKey, Taken]:
    """Sums by account, in the accounts' order; the last decision has the account's sequence."""
    found: dict[AccountKey, Taken] = {}
    for decision in decisions:
        if decision.is_permit:
            question = decision.question
            one = found.setdefault(question.account_key, Taken())
            one.taken_minor += question.amount_minor
            one.held_minor += 0 if question.is_capture else question.amount_minor
            one.ledger_seq = decision.ledger_seq
    return dict(sorted(found.items()))
