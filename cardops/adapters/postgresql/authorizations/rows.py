"""Conversion between the rules' values and the rows and arguments of the SQL statements."""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NO_KEYS: Final[list[Collection[str]]] = [()] * 3


@dataclass(slots=True)
class AccountDebit:
    """The debit of one account by a batch, in minor units."""

    seq_before: int
    revision: int
    debit_minor: int = 0
    held_minor: int = 0
    ledger_seq: int = 0


def column(values: Collection[str]) -> str:
    """The values as one text. Raises ValueError where a value contains the separator."""
    text = SEPARATOR.join(values)
    if text.count(SEPARATOR) != max(len(values) - 1, 0):
        raise ValueError(
            "A value of the batch contains the separator of columns (U+001F), so the batch cannot "
            "be sent; requests with such a value must be refused before."
        )
    return text


def keys_of(requests: Sequence[AuthorizationRequest]) -> list[str]:
    """Arguments of the read statement: distinct accounts, ids and programs, by column."""
    accounts = {request[:1] + request[2:5:2] for request in requests}
    ids = {request[:2] for request in requests}
    columns = [*zip(*accounts, strict=True), *zip(*ids, strict=True)]
    return [*map(column, columns), column({program for program, _ in ids})]


def batch_state(rows: Iterable[Mapping[str, Any]]) -> BatchState:
    """The state that the rows of the read statement describe."""
    state = BatchState()
    for row in rows:
        (
            tag, program, name, currency, available, held, seq, is_blocked, revision, request_hash,
            response,
        ) = row.values()  # fmt: skip
        if tag == "account":
            state.accounts[program, name, currency] = AccountState(
                available, held, seq, is_blocked=is_blocked, revision=revision
            )
        elif tag == "decision":
            state.stored[program, name] = StoredDecision(request_hash, response)
        elif tag == "void":
            state.tombstones.add((program, name))
        elif tag == "program":
            state.revisions[program] = revision
        elif tag == "clock":
            state.read_at = EPOCH + timedelta(microseconds=available)
        else:
            limit = SpendingLimit(LimitKind(tag), available, held, seq)
            state.limits.setdefault((program, name, currency), []).append(limit)
    return state


def absent_accounts(
    requests: Sequence[AuthorizationRequest], state: BatchState
) -> tuple[list[str], ...]:
    """Arguments of the statement for missing accounts: distinct, by column."""
    absent = {request.account_key for request in requests} - state.accounts.keys()
    return tuple([key[column] for key in absent] for column in range(3))


def add_absent(state: BatchState, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add the missing accounts to the state."""
    for row in rows:
        program, user_id, currency, is_known, is_blocked = row.values()
        state.accounts[program, user_id, currency] = AccountState(
            exists=False, is_known_user=is_known, is_blocked=is_blocked
        )


def write_arguments(
    decisions: Sequence[Decision],
    state: BatchState,
    *,
    until: datetime,
    hold_ends_at: datetime,
) -> tuple[str, list[object]]:
    """The statement that writes the batch, refused after `until`, and its arguments.

    Rows are in the order of their ids, so that two processes with the same ids never deadlock.
    """
    at, debits = state.read_at, _debits(decisions, state)
    decisions = sorted(decisions, key=lambda decision: decision.request.id_key)  # guard: id-order
    requests, statuses, reasons, remaining, seqs, responses = zip(*decisions, strict=True)
    (
        programs, ids, users, amounts, currencies, hashes, authorizations, captures, urls, tests,
        details, keys, request_ids, _,
    ) = zip(*requests, strict=True)  # fmt: skip
    columns: list[Collection[str]] = [
        programs, ids, authorizations, [digest.hex() for digest in hashes], users, currencies,
        _texts(amounts), _texts(captures), statuses, reasons, _texts(remaining), _texts(seqs),
        [response.decode() for response in responses], _or_empty(details), _or_empty(keys),
        _or_empty(request_ids),
    ]  # fmt: skip
    has_callbacks, has_holds = any(urls), not all(captures)
    if has_callbacks:
        callbacks = [new_callback_id(at, number) if url else "" for number, url in enumerate(urls)]
        columns += [callbacks, _or_empty(urls), _texts(tests)]
    columns += zip(*debits, strict=True) if debits else NO_KEYS
    columns += [
        _texts([debit.debit_minor for debit in debits.values()]),
        _texts([debit.held_minor for debit in debits.values()]),
        _texts([debit.ledger_seq for debit in debits.values()]),
        _texts([debit.seq_before for debit in debits.values()]),
        _texts([debit.revision for debit in debits.values()]),
    ]
    columns += [state.revisions, _texts(state.revisions.values())]
    voided_count = len(state.tombstones.intersection(zip(programs, ids, strict=True)))
    arguments: list[object] = [
        at, len(debits), len(state.revisions), voided_count, until, *map(column, columns)
    ]  # fmt: skip
    if has_holds:
        arguments.append(hold_ends_at)
    return write_statement(has_callbacks=has_callbacks, has_holds=has_holds), arguments


def new_callback_id(at: datetime, number: int) -> str:
    """`cb_` and an id that sorts by creation time, then by number within the batch."""
    return f"{callback_id_from(at)}{number:04x}{secrets.token_hex(6)}"


def callback_id_from(at: datetime) -> str:
    """A lower bound of all ids created at that instant or later."""
    return f"cb_{int(at.timestamp() * 1_000_000):016x}"


def _or_empty(values: Iterable[str | None]) -> list[str]:
    return [value or "" for value in values]


def _texts(values: Iterable[object]) -> list[str]:
    return list(map(str, values))


def _debits(decisions: Sequence[Decision], state: BatchState) -> dict[AccountKey, AccountDebit]:
    """Sums by account; the decisions of an account must be in the order in which they were made."""
    debits: dict[AccountKey, AccountDebit] = {}
    for request, status, _, _, ledger_seq, _ in decisions:
        if status is not Status.PERMIT:
            continue
        key = request.account_key
        debit = debits.get(key)
        if debit is None:
            debit = debits[key] = AccountDebit(ledger_seq - 1, state.accounts[key].revision)
        debit.debit_minor += request.amount_minor
        if not request.is_capture:
            debit.held_minor += request.amount_minor
        debit.ledger_seq = ledger_seq
    return debits
