"""Between the rules' values and the arrays of the money path's statements."""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cardops.adapters.postgresql.authorizations.sql import SEPARATOR, write_statement
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from cardops.rules.authorizations.decisions import (
    AccountKey,
    AccountState,
    AuthorizationRequest,
    BatchState,
    Decision,
    Status,
    StoredDecision,
)

NO_KEYS: Final[list[Collection[str]]] = [()] * 3


@dataclass(slots=True)
class AccountDebit:
    """What a batch takes from one account."""

    seq_before: int
    taken_minor: int = 0
    held_minor: int = 0
    ledger_seq: int = 0


def column(values: Collection[str]) -> str:
    """The values as one text. Raises ValueError where one of them would be taken for two."""
    text = SEPARATOR.join(values)
    if text.count(SEPARATOR) != max(len(values) - 1, 0):
        raise ValueError(
            "A value of the batch holds the separator of the columns; it is not valid."
        )
    return text


def keys_of(requests: Sequence[AuthorizationRequest]) -> list[str]:
    """Arguments of the reading statement: distinct accounts, ids and programs, by column."""
    accounts = {request[:1] + request[2:5:2] for request in requests}
    ids = {request[:2] for request in requests}
    columns = [*zip(*accounts, strict=True), *zip(*ids, strict=True)]
    return [*map(column, columns), column({program for program, _ in ids})]


def batch_state(rows: Iterable[Mapping[str, Any]]) -> BatchState:
    """What the reading statement read."""
    state = BatchState()
    for row in rows:
        tag, program, name, currency, available, held, seq, is_blocked, asked, response = (
            row.values()
        )
        if tag == "account":
            state.accounts[program, name, currency] = AccountState(
                available, held, seq, is_blocked=is_blocked
            )
        elif tag == "decision":
            state.stored[program, name] = StoredDecision(asked, response)
        elif tag == "void":
            state.tombstones.add((program, name))
        elif tag == "program":
            state.revisions[program] = available
        else:
            limit = SpendingLimit(LimitKind(tag), available, held, seq)
            state.limits.setdefault((program, name, currency), []).append(limit)
    return state


def absent_accounts(
    requests: Sequence[AuthorizationRequest], state: BatchState
) -> tuple[list[str], ...]:
    """Arguments of the statement for accounts that are not there: by column, distinct."""
    absent = {one.account_key for one in requests} - state.accounts.keys()
    return tuple([key[place] for key in absent] for place in range(3))


def add_absent(state: BatchState, rows: Iterable[Mapping[str, Any]]) -> None:
    """What was read of accounts that are not there."""
    for row in rows:
        program, user_id, currency, is_known, is_blocked = row.values()
        state.accounts[program, user_id, currency] = AccountState(
            exists=False, is_known_user=is_known, is_blocked=is_blocked
        )


def write_arguments(
    decisions: Sequence[Decision],
    revisions: Mapping[str, int],
    at: datetime,
    *,
    until: datetime,
    hold_ends_at: datetime,
) -> tuple[str, list[object]]:
    """The statement that writes the batch, refused after `until`, and its arguments.

    In the order of the ids, in which two processes asked the same wait for each other.
    """
    taken = _taken(decisions)
    decisions = sorted(decisions, key=lambda decision: decision.request.id_key)
    asked, statuses, reasons, remaining, seqs, responses = zip(*decisions, strict=True)
    (
        programs, ids, users, amounts, currencies, hashes, authorizations, captures, urls, tests,
        details, keys, requests, _,
    ) = zip(*asked, strict=True)  # fmt: skip
    columns: list[Collection[str]] = [
        programs, ids, authorizations, [one.hex() for one in hashes], users, currencies,
        _texts(amounts), _texts(captures), statuses, reasons, _texts(remaining), _texts(seqs),
        [one.decode() for one in responses], _or_empty(details), _or_empty(keys),
        _or_empty(requests),
    ]  # fmt: skip
    has_callbacks, has_holds = any(urls), not all(captures)
    if has_callbacks:
        made = [new_callback_id(at, number) if url else "" for number, url in enumerate(urls)]
        columns += [made, _or_empty(urls), _texts(tests)]
    columns += zip(*taken, strict=True) if taken else NO_KEYS
    columns += [
        _texts([one.taken_minor for one in taken.values()]),
        _texts([one.held_minor for one in taken.values()]),
        _texts([one.ledger_seq for one in taken.values()]),
        _texts([one.seq_before for one in taken.values()]),
    ]
    columns += [revisions, _texts(revisions.values())]
    arguments: list[object] = [
        at, len(taken), len(revisions), until, *map(column, columns)
    ]  # fmt: skip
    if has_holds:
        arguments.append(hold_ends_at)
    return write_statement(has_callbacks=has_callbacks, has_holds=has_holds), arguments


def new_callback_id(at: datetime, number: int) -> str:
    """`cb_` and what sorts by time of making, then by number within its batch."""
    return f"{callback_id_from(at)}{number:04x}{secrets.token_hex(6)}"


def callback_id_from(at: datetime) -> str:
    """What is below every id made at that instant or later."""
    return f"cb_{int(at.timestamp() * 1_000_000):016x}"


def _or_empty(values: Iterable[str | None]) -> list[str]:
    return [value or "" for value in values]


def _texts(values: Iterable[object]) -> list[str]:
    return list(map(str, values))


def _taken(decisions: Sequence[Decision]) -> dict[AccountKey, AccountDebit]:
    """Sums by account; the decisions of one account stand in the order they were made in."""
    found: dict[AccountKey, AccountDebit] = {}
    for request, status, _, _, ledger_seq, _ in decisions:
        if status is not Status.PERMIT:
            continue
        key = request.account_key
        one = found.get(key)
        if one is None:
            one = found[key] = AccountDebit(ledger_seq - 1)
        one.taken_minor += request.amount_minor
        if not request.is_capture:
            one.held_minor += request.amount_minor
        one.ledger_seq = ledger_seq
    return found
