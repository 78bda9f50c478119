"""Conversion between the rules' values and the rows and arguments of the statements of actions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cardops.adapters.postgresql.authorizations.rows import column
from cardops.rules.authorizations.action_batches import ActionState, DecidedAction
from cardops.rules.authorizations.actions import (
    ActionKind,
    AuthorizationAction,
    Movement,
    StoredAction,
)
from cardops.rules.authorizations.decisions import AccountKey, AccountState, IdKey, Status
from cardops.rules.authorizations.records import Hold, Record, State


@dataclass(slots=True)
class AccountChange:
    """What a batch changes in one account, in minor units."""

    seq_before: int
    revision: int
    available_change: int = 0
    held_change: int = 0
    ledger_seq: int = 0

    def add(self, movement: Movement) -> None:
        """Add the next movement of the account; movements are in the order of their decisions."""
        self.available_change += movement.available_change_minor
        self.held_change += movement.held_change_minor
        self.ledger_seq = movement.ledger_seq


def columns_of(keys: Iterable[tuple[str, ...]], count: int) -> list[str]:
    """Keys as arguments, by column; `count` is the length of a key."""
    rows = sorted(keys)
    return [column([key[place] for key in rows]) for place in range(count)]


def action_columns(actions: Sequence[AuthorizationAction]) -> list[str]:
    """Arguments of the read statement: the distinct actions, by column."""
    keys = {action.idempotency_key for action in actions}
    return columns_of(((*key[:2], key[2].value, key[3]) for key in keys), 4)


def action_state(rows: Iterable[Mapping[str, Any]]) -> tuple[ActionState, set[AccountKey]]:
    """The state that the rows of the read statement describe, and the accounts with limits."""
    state, limited = ActionState(), set()
    for row in rows:
        program, transaction_id, kind, key, *_ = row.values()
        if row["earlier_answer"] is not None:
            state.earlier[program, transaction_id, ActionKind(kind), key] = StoredAction(
                row["earlier_amount_minor"], row["earlier_held_change_minor"], row["earlier_answer"]
            )
        if row["status"] is None:
            continue
        record = record_of(row)
        state.records[program, transaction_id] = record
        if kind == ActionKind.INCREMENT:
            state.revisions[program] = row["program_revision"]
        if row["ledger_seq"] is not None and record.account_key not in state.accounts:
            state.accounts[record.account_key] = AccountState(
                row["available_minor"],
                row["account_held_minor"],
                row["ledger_seq"],
                is_blocked=row["is_blocked"],
                revision=row["revision"],
            )
        if row["has_limits"] and record.account_key in state.accounts:
            limited.add(record.account_key)
    return state, limited


def record_of(row: Mapping[str, Any]) -> Record:
    """The authorization in a row of a decision with its hold and refunds."""
    hold = None
    if row["state"] is not None:
        hold = Hold(
            State(row["state"]), row["held_minor"], row["captured_minor"], row["expires_at"]
        )
    return Record(
        program=row["program"],
        transaction_id=row["transaction_id"],
        user_id=row["user_id"],
        currency=row["currency"],
        amount_minor=row["amount_minor"],
        is_capture=row["is_capture"],
        status=Status(row["status"]),
        response=row["answer"],
        hold=hold,
        refunded_minor=row["refunded_minor"],
    )


def write_arguments(
    decided: Sequence[DecidedAction], state: ActionState, at: datetime, *, until: datetime
) -> list[object]:
    """Arguments of the write statement, which is refused after `until`.

    Rows are in the order of their ids, so that two processes with the same ids never deadlock.
    """
    changes, holds = _account_changes(decided, state), _last_holds(decided)
    columns = _movement_columns(sorted(decided, key=_id_order))  # guard: action-id-order
    totals = [
        (
            *key,
            change.available_change,
            change.held_change,
            change.ledger_seq,
            change.seq_before,
            change.revision,
        )
        for key, change in changes.items()
    ]
    ends = [
        (*key, hold.state.value, hold.held_minor, hold.captured_minor)
        for key, hold in holds.items()
    ]
    revisions = [*state.revisions.items()]
    columns += [*_transposed(totals, 8), *_transposed(ends, 5), *_transposed(revisions, 2)]
    return [at, len(changes), len(holds), len(revisions), until, *map(column, columns)]


def _id_order(decided: DecidedAction) -> tuple[str, ...]:
    return decided.action.idempotency_key


def _account_changes(
    decided: Sequence[DecidedAction], state: ActionState
) -> dict[AccountKey, AccountChange]:
    changes: dict[AccountKey, AccountChange] = {}
    for _, record, movement in decided:
        if movement.is_effective:
            key = record.account_key
            if key not in changes:
                revision = state.accounts[key].revision
                changes[key] = AccountChange(movement.ledger_seq - 1, revision)
            changes[key].add(movement)
    return changes


def _last_holds(decided: Sequence[DecidedAction]) -> dict[IdKey, Hold]:
    """The holds that the batch changes, each as its last movement leaves it."""
    holds: dict[IdKey, Hold] = {}
    for action, record, movement in decided:
        if movement.hold is not None and movement.hold != record.hold:
            holds[action.id_key] = movement.hold
    return holds


def _movement_columns(decided: Sequence[DecidedAction]) -> list[Collection[str]]:
    rows = [
        (
            action.program, action.transaction_id, action.kind.value, action.key, record.user_id,
            record.currency, movement.status.value, str(movement.reason_code),
            movement.amount_minor, movement.posted_minor, movement.held_change_minor,
            movement.ledger_seq, movement.response.decode(), action.key_id or "",
            action.request_id or "",
        )
        for action, record, movement in decided
    ]  # fmt: skip
    return _transposed(rows, 15)


def _transposed(rows: Sequence[tuple[object, ...]], count: int) -> list[Collection[str]]:
    if not rows:
        return [()] * count
    return [[*map(str, values)] for values in zip(*rows, strict=True)]
