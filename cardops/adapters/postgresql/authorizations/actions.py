"""Actions on authorizations on PostgreSQL: many in one commit, decided by cardops.rules.

Belongs here: how a batch is read and written, and what happens when that fails. Which action is
allowed is decided in cardops.rules.authorizations.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from cardops.adapters.postgresql.authorizations import action_sql, sql
from cardops.adapters.postgresql.authorizations.action_rows import (
    action_columns,
    action_state,
    columns_of,
    write_arguments,
)
from cardops.adapters.postgresql.authorizations.attempts import CONFLICTS, OVERTAKEN, Attempts
from cardops.adapters.postgresql.authorizations.limit_rows import add_allowances, limit_of
from cardops.adapters.postgresql.authorizations.voided_ids import void_before_arrival
from cardops.adapters.postgresql.sessions import (
    CONNECT_TIMEOUT_SECONDS,
    MAX_ATTEMPTS,
    TRANSIENT_ERRORS,
    Pool,
    Session,
    transaction,
)
from cardops.rules.authorizations.action_batches import ActionState, decide_actions
from cardops.rules.authorizations.actions import (
    INCONSISTENT,
    LOCKED_ACTION,
    UNDECIDED_ACTION,
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
)
from cardops.rules.authorizations.decisions import (
    AccountKey,
    BatchState,
    IdKey,
    StoreUnavailableError,
)

# A batch that was overtaken this often takes its locks first.
OPTIMISTIC_ATTEMPTS: Final = 2
# As for decisions: what was decided without a lock is written within this time or decided again.
WRITE_DEADLINE: Final = timedelta(seconds=2)
NO_WRITE_DEADLINE: Final = timedelta(days=366)


class ActionStore:
    """Applies batches of actions, dated by the database's clock."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._attempts = Attempts(
            self._attempt,
            self._apply_alone,
            self._accounts_by_place,
            UNDECIDED_ACTION,
            LOCKED_ACTION,
        )

    async def apply(self, actions: Sequence[AuthorizationAction]) -> list[ActionResponse]:
        """One response per action, in order; what cannot be committed in time is `undecided`."""
        responses = await self._attempts.results(self._pool, actions)
        return await self._with_tombstones(actions, responses)

    async def accounts_of(self, ids: Collection[IdKey]) -> Mapping[IdKey, AccountKey]:
        """The account that each known authorization names."""
        rows = await self._pool.fetch(action_sql.ACCOUNTS_OF, *columns_of(set(ids), 2))
        return {(row[0], row[1]): (row[0], row[2], row[3]) for row in rows}

    async def _attempt(
        self, actions: Sequence[AuthorizationAction], number: int
    ) -> list[ActionResponse]:
        if number < OPTIMISTIC_ATTEMPTS:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as session:
                return await self._apply_in(session, actions, WRITE_DEADLINE)
        async with transaction(self._pool, sql.BEGIN) as session:
            ids = columns_of({action.id_key for action in actions}, 2)
            await session.execute(action_sql.LOCK_ACCOUNTS, *ids)
            return await self._apply_in(session, actions, NO_WRITE_DEADLINE)

    async def _apply_alone(self, action: AuthorizationAction) -> ActionResponse:
        """Under the account's lock; an action of a lost commit is found by its key."""
        for _ in range(MAX_ATTEMPTS):
            try:
                return (await self._attempt([action], OPTIMISTIC_ATTEMPTS))[0]
            except asyncpg.LockNotAvailableError:
                return LOCKED_ACTION
            except asyncpg.CheckViolationError:
                return INCONSISTENT
            except (*OVERTAKEN, *TRANSIENT_ERRORS, *CONFLICTS):
                continue
        return UNDECIDED_ACTION

    async def _apply_in(
        self, session: Session, actions: Sequence[AuthorizationAction], within: timedelta
    ) -> list[ActionResponse]:
        rows = await session.fetch(action_sql.READ, *action_columns(actions))
        if not rows:  # no such program
            return [ActionResponse(ActionResult.UNKNOWN)] * len(actions)
        at = rows[0]["at"]
        state, limited = action_state(rows)
        if limited:
            await _add_allowances(session, state, limited, at)
        responses, decided = decide_actions(actions, state, at)
        if decided:
            arguments = write_arguments(decided, state, at, until=at + within)
            await session.execute(action_sql.WRITE, *arguments)
        return responses

    async def _accounts_by_place(
        self, actions: Mapping[int, AuthorizationAction]
    ) -> Mapping[int, AccountKey]:
        accounts = await self.accounts_of({action.id_key for action in actions.values()})
        return {
            place: accounts[action.id_key]
            for place, action in actions.items()
            if action.id_key in accounts
        }

    async def _with_tombstones(
        self, actions: Sequence[AuthorizationAction], responses: list[ActionResponse]
    ) -> list[ActionResponse]:
        """Void ids whose authorization has not arrived; one that arrives meanwhile is voided."""
        unseen = {
            place: action
            for place, action in enumerate(actions)
            if action.kind is ActionKind.VOID and responses[place].result is ActionResult.UNKNOWN
        }
        if not unseen:
            return responses
        written = await self._void_unseen([*unseen.values()])
        for place, action in unseen.items():
            responses[place] = written[action.id_key]
            if responses[place].result is ActionResult.DONE:
                # A repeated void of the batch has the response of the first.
                written[action.id_key] = replace(responses[place], result=ActionResult.REPLAYED)
        return responses

    async def _void_unseen(
        self, voids: Sequence[AuthorizationAction]
    ) -> dict[IdKey, ActionResponse]:
        by_id = {void.id_key: void for void in voids}
        responses = dict.fromkeys(by_id, UNDECIDED_ACTION)
        try:
            stored = await void_before_arrival(self._pool, [*by_id.values()])
            arrived = [void for key, void in by_id.items() if key not in stored]
            applied = await self._attempts.results(self._pool, arrived)
        except (StoreUnavailableError, *TRANSIENT_ERRORS):
            return responses
        arrived_keys = (void.id_key for void in arrived)
        return {**responses, **stored, **dict(zip(arrived_keys, applied, strict=True))}


async def _add_allowances(
    session: Session, state: ActionState, limited: Collection[AccountKey], at: datetime
) -> None:
    """Give these accounts their limits in force and their usage. Raises OvertakenError."""
    batch = BatchState({key: state.accounts[key] for key in limited})
    for row in await session.fetch(action_sql.LIMITS, *columns_of(limited, 3)):
        key = (row["program"], row["user_id"], row["currency"])
        batch.limits.setdefault(key, []).append(limit_of(row))
    await add_allowances(session, batch, at)
