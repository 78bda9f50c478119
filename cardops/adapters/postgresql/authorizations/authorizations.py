"""Authorization decisions on PostgreSQL: many in one commit, decided by cardops.rules.

Belongs here: how a batch is locked, read and written, and what happens when that fails. The
decision itself is in cardops.rules.authorizations.decisions; actions are in actions.py.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

import asyncpg

from cardops.adapters.postgresql.authorizations import action_sql, sql
from cardops.adapters.postgresql.authorizations.action_rows import action_columns, action_state
from cardops.adapters.postgresql.authorizations.actions import ActionStore
from cardops.adapters.postgresql.authorizations.attempts import (
    CONFLICTS,
    OVERTAKEN,
    Attempts,
    locked_accounts,
)
from cardops.adapters.postgresql.authorizations.limit_rows import add_allowances
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
from cardops.rules.authorizations.actions import ActionKind, ActionResponse, AuthorizationAction
from cardops.rules.authorizations.decisions import (
    LOCKED,
    UNDECIDED,
    AccountKey,
    AuthorizationRequest,
    AuthorizationResponse,
    BatchState,
    IdKey,
    decide_batch,
)
from cardops.rules.authorizations.records import AuthorizationView, tombstone_view, view_of

DEFAULT_HOLD_PERIOD: Final = timedelta(days=7)

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
        action_pool: Pool | None = None,
        hold_period: timedelta = DEFAULT_HOLD_PERIOD,
    ) -> None:
        self._pool = pool
        # Actions must not take the sessions of decisions.
        self._actions = ActionStore(action_pool or pool)
        self._hold_period = hold_period
        self._locked_batches = 0
        self._attempts = Attempts(
            self._attempt, self._decide_single, _accounts_of, UNDECIDED, LOCKED
        )

    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        """One response per request; a batch that fails is decided member by member."""
        return await self._attempts.results(self._pool, requests)

    async def apply(self, actions: Sequence[AuthorizationAction]) -> list[ActionResponse]:
        """Captures, voids, refunds, increments and expiries, in one commit."""
        return await self._actions.apply(actions)

    async def accounts_of(self, ids: Collection[IdKey]) -> Mapping[IdKey, AccountKey]:
        """The account that each known authorization names."""
        with store_errors_translated():
            return await self._actions.accounts_of(ids)

    async def locked_accounts(self, accounts: Collection[AccountKey]) -> Collection[AccountKey]:
        """Which of these accounts another session has locked."""
        with store_errors_translated():
            return await locked_accounts(self._pool, accounts)

    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        """The decision with its state; a void that arrived first is a view without a decision."""
        void = AuthorizationAction(ActionKind.VOID, program, transaction_id)
        with store_errors_translated():
            rows = await self._pool.fetch(action_sql.READ, *action_columns([void]))
            state, _ = action_state(rows)
            if record := state.records.get(void.id_key):
                return view_of(record, rows[0]["at"])
            if void.idempotency_key in state.earlier:
                return tombstone_view(await self._pool.fetchval(sql.PROGRAM_CURRENCY, program))
        return None

    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        """The user's accounts by currency."""
        with store_errors_translated():
            rows = await self._pool.fetch(sql.ACCOUNTS, program, user_id)
        return [Account(**dict(row)) for row in rows]

    async def _attempt(
        self, requests: Sequence[AuthorizationRequest], _number: int
    ) -> list[AuthorizationResponse]:
        return await self._decide_once(requests)

    async def _decide_single(self, request: AuthorizationRequest) -> AuthorizationResponse:
        """Retries a bounded number of times; a decision of a lost commit is found by its key."""
        for _ in range(MAX_ATTEMPTS):
            try:
                return (await self._decide_locked([request]))[0]
            except asyncpg.LockNotAvailableError:
                return LOCKED
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


async def _accounts_of(requests: Mapping[int, AuthorizationRequest]) -> Mapping[int, AccountKey]:
    return {place: request.account_key for place, request in requests.items()}


async def _read(
    session: Session, statement: str, requests: Sequence[AuthorizationRequest]
) -> BatchState:
    state = batch_state(await session.fetch(statement, *keys_of(requests)))
    absent = absent_accounts(requests, state)
    if absent[0]:
        add_absent(state, await session.fetch(sql.ABSENT, *absent))
    return state
