"""Actions on an authorization on PostgreSQL: each in one commit, under the lock of its account.

Belongs here: locks, reads and writes. Which action is allowed is decided in
cardops.rules.authorizations.actions.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg

from cardops.adapters.postgresql.authorizations import sql
from cardops.adapters.postgresql.authorizations.limit_rows import add_allowances_of_account
from cardops.adapters.postgresql.authorizations.voided_ids import void_before_arrival
from cardops.adapters.postgresql.sessions import (
    MAX_ATTEMPTS,
    TRANSIENT_ERRORS,
    Pool,
    Session,
    transaction,
)
from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
    Movement,
    StoredAction,
    decide_action,
    expire,
    increment_field,
    view_after,
)
from cardops.rules.authorizations.decisions import (
    AccountState,
    Status,
    StoreUnavailableError,
    is_rejected_by_void,
)
from cardops.rules.authorizations.records import Hold, Record, State, state_of


async def apply_action_with_retries(
    pool: Pool, action: AuthorizationAction, now: Callable[[], datetime]
) -> ActionResponse:
    """Apply the action, with a bounded number of attempts. Raises StoreUnavailableError."""
    for _ in range(MAX_ATTEMPTS):
        try:
            return await _void_unseen(pool, action) or await _apply(pool, action, now)
        except (*TRANSIENT_ERRORS, asyncpg.IntegrityConstraintViolationError):
            continue
    raise StoreUnavailableError


async def _apply(
    pool: Pool, action: AuthorizationAction, now: Callable[[], datetime]
) -> ActionResponse:
    async with transaction(pool) as session:
        return await apply_action(session, action, now)


async def apply_action(
    session: Session, action: AuthorizationAction, now: Callable[[], datetime]
) -> ActionResponse:
    """Decide and write one action inside the session's transaction."""
    record = await find_record(session, action.program, action.transaction_id)
    if record is None:
        return ActionResponse(ActionResult.UNKNOWN)
    account = await _lock_account(session, record)
    # Read again: what was read before the lock may be out of date.
    record = await find_record(session, action.program, action.transaction_id) or record
    earlier = await _find_earlier(session, action)
    at = now()
    if action.kind is ActionKind.INCREMENT and earlier is None:
        key = (record.program, record.user_id, record.currency)
        await add_allowances_of_account(session, key, account, at)
    outcome = decide_action(action, record, account, earlier=earlier, at=at)
    if isinstance(outcome, ActionResponse):
        return outcome
    body = view_after(record, outcome).body(increment_field(outcome, record.currency))
    await _write(session, action, record, replace(outcome, response=body), at)
    return ActionResponse(ActionResult.DONE, body)


async def _void_unseen(pool: Pool, action: AuthorizationAction) -> ActionResponse | None:
    """The response to a void whose authorization has not arrived, or was rejected by a void."""
    if action.kind is not ActionKind.VOID:
        return None
    async with pool.acquire() as session:
        record = await find_record(session, action.program, action.transaction_id)
    if record is not None and not is_rejected_by_void(record.response):
        return None
    responses = await void_before_arrival(pool, [action])
    return responses.get((action.program, action.transaction_id))


async def find_record(session: Session, program: str, transaction_id: str) -> Record | None:
    """The decision with its hold and refunds, from one snapshot; None where unknown."""
    row = await session.fetchrow(sql.FIND_DECISION, program, transaction_id)
    return None if row is None else record_from(row)


def record_from(row: Mapping[str, Any]) -> Record:
    """The authorization in a row of FIND_DECISION."""
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


async def expire_holds(pool: Pool, at: datetime, limit: int) -> int:
    """Release up to `limit` expired holds, each in its own commit; returns how many."""
    async with pool.acquire() as session:
        overdue = await session.fetch(sql.OVERDUE_HOLDS, at, limit)
    count = 0
    for program, transaction_id in overdue:
        async with transaction(pool) as session:
            count += await _expire_hold(session, program, transaction_id, at)
    return count


async def _expire_hold(session: Session, program: str, transaction_id: str, at: datetime) -> bool:
    record = await find_record(session, program, transaction_id)
    if record is None:
        return False
    account = await _lock_account(session, record)
    record = await find_record(session, program, transaction_id) or record
    is_open = record.hold is not None and record.hold.state is State.HELD
    if not is_open or state_of(record, at) is not State.EXPIRED:
        return False
    movement = expire(record, account)
    body = view_after(record, movement).body()
    action = AuthorizationAction(ActionKind.EXPIRE, program, transaction_id)
    await _write(session, action, record, replace(movement, response=body), at)
    return True


async def _lock_account(session: Session, record: Record) -> AccountState:
    row = await session.fetchrow(sql.LOCK_ACCOUNT, record.program, record.user_id, record.currency)
    if row is None:
        return AccountState(exists=False, is_known_user=False)
    return AccountState(
        row["available_minor"],
        row["held_minor"],
        row["ledger_seq"],
        is_blocked=row["is_blocked"],
    )


async def _find_earlier(session: Session, action: AuthorizationAction) -> StoredAction | None:
    row = await session.fetchrow(
        sql.FIND_MOVEMENT, action.program, action.transaction_id, action.kind.value, action.key
    )
    return StoredAction(*row) if row else None


async def _write(
    session: Session, action: AuthorizationAction, record: Record, movement: Movement, at: datetime
) -> None:
    await session.execute(
        sql.INSERT_MOVEMENT, record.program, record.transaction_id, movement.kind.value,
        movement.key, record.user_id, record.currency, movement.status.value,
        str(movement.reason_code), movement.amount_minor, movement.posted_minor,
        movement.held_change_minor, movement.ledger_seq, movement.response, action.key_id,
        action.request_id, at,
    )  # fmt: skip
    if not movement.is_effective:
        return
    changed = await session.execute(
        sql.CHANGE_ACCOUNT, record.program, record.user_id, record.currency,
        movement.available_change_minor, movement.held_change_minor, movement.ledger_seq,
    )  # fmt: skip
    if changed != "UPDATE 1":
        raise StoreUnavailableError
    if movement.hold is not None and movement.hold != record.hold:
        await session.execute(
            sql.CHANGE_HOLD, record.program, record.transaction_id, movement.hold.state.value,
            movement.hold.held_minor, movement.hold.captured_minor,
        )  # fmt: skip
