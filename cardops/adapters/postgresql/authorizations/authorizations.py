"""Authorization decisions on PostgreSQL: many in one commit, decided by cardops.rules.

Belongs here: how a batch is locked, read and written, and what happens when that fails. The
decision itself is in cardops.rules.authorizations.decisions; actions are in actions.py.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from cardops.adapters.postgresql.authorizations import sql
from cardops.adapters.postgresql.authorizations.actions import (
    apply_action_with_retries,
    expire_holds,
    record_from,
)
from cardops.adapters.postgresql.authorizations.limit_rows import OvertakenError, add_allowances
from cardops.adapters.postgresql.authorizations.rows import (
    absent_accounts,
    add_absent,
    batch_state,
    keys_of,
    write_arguments,
)
from cardops.adapters.postgresql.sessions import (
    CONNECT_TIMEOUT_SECONDS,
    MAX_ATTEMPTS,
    TRANSIENT_ERRORS,
    Pool,
    Session,
    store_errors_translated,
    transaction,
)
from cardops.rules.accounts.ledger import Account
from cardops.rules.authorizations.actions import ActionResponse, AuthorizationAction
from cardops.rules.authorizations.decisions import (
    UNDECIDED,
    AuthorizationRequest,
    AuthorizationResponse,
    BatchState,
    decide_batch,
)
from cardops.rules.authorizations.records import AuthorizationView, tombstone_view, view_of

DEFAULT_HOLD_PERIOD: Final = timedelta(days=7)

# Another process was first, or the guard refused what the rule permitted, or a column cannot hold a
# value: the members are decided one by one, so that only the one at fault fails.
CONFLICTS: Final = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, ValueError)
# What was read has changed: the write statement divides by zero (sql.py), or the count of limits
# notices it before. With locks it happens where a block or a limit was changed or an id voided.
OVERTAKEN: Final = (asyncpg.DivisionByZeroError, OvertakenError)
# A batch decided without a lock is written within this time or decided again: its transaction gets
# its id with the write, which must be well before the day can be closed (transaction_log.py).
WRITE_DEADLINE: Final = timedelta(seconds=2)
NO_WRITE_DEADLINE: Final = timedelta(days=366)
# After one conflict more are likely, so this many batches take their locks first.
LOCKED_BATCHES: Final = 64


class PostgresAuthorizations:
    """Implements cardops.ports.Authorizations; a decision of a lost commit is found on retry."""

    def __init__(
        self,
        pool: Pool,
        *,
        hold_period: timedelta = DEFAULT_HOLD_PERIOD,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._hold_period = hold_period
        self._now = now
        self._locked_batches = 0

    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        """One response per request; a batch that fails is decided member by member."""
        if not requests:
            return []
        for _ in range(MAX_ATTEMPTS):
            try:
                return await self._decide_once(requests)
            except TRANSIENT_ERRORS as error:
                # Another attempt would keep the next batch waiting; the callers retry.
                if isinstance(error, TimeoutError):
                    break
            except OVERTAKEN:
                continue
            except CONFLICTS:
                # guard-begin: members-alone
                return [await self._decide_single(request) for request in requests]
                # guard-end: members-alone
        return [UNDECIDED] * len(requests)

    async def apply(self, action: AuthorizationAction) -> ActionResponse:
        """Capture, void, refund or increment, in one commit."""
        return await apply_action_with_retries(self._pool, action, self._now)

    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        """The decision with its state; a void that arrived first is a view without a decision."""
        with store_errors_translated():
            return await self._find(program, transaction_id)

    async def _find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        async with self._pool.acquire() as session:
            row = await session.fetchrow(sql.FIND_DECISION, program, transaction_id)
            if row is not None:
                return view_of(record_from(row), row["read_at"])
            if await session.fetchrow(sql.FIND_MOVEMENT, program, transaction_id, "void", ""):
                return tombstone_view(await session.fetchval(sql.PROGRAM_CURRENCY, program))
        return None

    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        """The user's accounts by currency."""
        with store_errors_translated():
            rows = await self._pool.fetch(sql.ACCOUNTS, program, user_id)
        return [Account(**dict(row)) for row in rows]

    async def expire_holds(self, at: datetime, limit: int) -> int:
        """Release expired holds, each in its own commit; returns how many."""
        return await expire_holds(self._pool, at, limit)

    async def oldest_overdue_at(self, at: datetime) -> datetime | None:
        """The earliest `expires_at` of the overdue holds, or None."""
        expires_at: datetime | None = await self._pool.fetchval(sql.OLDEST_OVERDUE_HOLD, at)
        return expires_at

    async def _decide_single(self, request: AuthorizationRequest) -> AuthorizationResponse:
        """Retries a bounded number of times; a decision of a lost commit is found by its key."""
        for _ in range(MAX_ATTEMPTS):
            try:
                return (await self._decide_locked([request]))[0]
            except (*TRANSIENT_ERRORS, *CONFLICTS, *OVERTAKEN):
                continue
        return UNDECIDED

    async def _decide_once(
        self, requests: Sequence[AuthorizationRequest]
    ) -> list[AuthorizationResponse]:
        """Optimistic: decided without locks, and again with locks if the state has changed."""
        if self._locked_batches > 0 and not all(request.is_dry_run for request in requests):
            self._locked_batches -= 1
            return await self._decide_locked(requests)
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as session:
                return await self._decide_in(session, sql.READ, requests, WRITE_DEADLINE)
        except OVERTAKEN:
            self._locked_batches = LOCKED_BATCHES
        return await self._decide_locked(requests)

    async def _decide_locked(
        self, requests: Sequence[AuthorizationRequest]
    ) -> list[AuthorizationResponse]:
        async with transaction(self._pool, sql.BEGIN) as session:
            return await self._decide_in(session, sql.READ_LOCKED, requests, NO_WRITE_DEADLINE)

    async def _decide_in(
        self,
        session: Session,
        statement: str,
        requests: Sequence[AuthorizationRequest],
        within: timedelta,
    ) -> list[AuthorizationResponse]:
        state = await _read(session, statement, requests)
        at = state.read_at
        await add_allowances(session, state, at)
        responses, decisions = decide_batch(requests, state, at)
        if decisions:
            write, arguments = write_arguments(
                decisions,
                state,
                until=at + within,
                hold_ends_at=at + self._hold_period,
            )
            await session.execute(write, *arguments)
        return responses


async def _read(
    session: Session, statement: str, requests: Sequence[AuthorizationRequest]
) -> BatchState:
    state = batch_state(await session.fetch(statement, *keys_of(requests)))
    absent = absent_accounts(requests, state)
    if absent[0]:
        add_absent(state, await session.fetch(sql.ABSENT, *absent))
    return state
