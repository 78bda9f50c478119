"""Batches that conflict over several accounts or ids wait in one order and never deadlock.

Each conflict is arranged: a third session locks the middle one until both batches wait.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg
import psycopg
import pytest

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.authorizations import authorizations as adapter
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.authorizations.sql import SEPARATOR
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.sessions import Pool, open_pool
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from cardops.rules.authorizations.actions import ActionKind, ActionResponse, AuthorizationAction
from cardops.rules.authorizations.decisions import (
    AuthorizationRequest,
    AuthorizationResponse,
    ResponseKind,
)
from tests.factories.authorization_stores import apply
from tests.factories.authorizations import PROGRAM, a_request
from tests.factories.waiting import until
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.servers.killable_credit import credit_users

pytestmark = pytest.mark.database

USERS = [f"user_{number:02}" for number in range(20)]
MIDDLE = "user_10"
HOLD_MIDDLE = f"select from accounts where user_id = '{MIDDLE}' for update"
HOLD_ID = """
insert into decisions
select (jsonb_populate_record(d, '{"transaction_id": "t10"}')).* from decisions as d
where transaction_id = 'first'
"""
WAITING = """
select pid from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
"""


class Watched(PostgresAuthorizations):
    """Records deadlocks, which a retry would otherwise hide."""

    def __init__(self, pool: Pool, *, is_locking: bool = False) -> None:
        super().__init__(pool)
        self.deadlocks: list[Exception] = []
        self._locked_batches = 1_000 if is_locking else 0

    async def _decide_in(self, *arguments: Any) -> list[AuthorizationResponse]:
        try:
            return await super()._decide_in(*arguments)
        except asyncpg.DeadlockDetectedError as error:
            self.deadlocks.append(error)
            raise


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_url)
    await opened.execute("insert into programs (program, currency) values ('default', 'USD')")
    credit_users(database_url, dict.fromkeys([*USERS, "another"], 10_000))
    yield opened
    opened.terminate()
    assert_books_add_up(database_url)


@contextmanager
def holding(url: str, statement: str) -> Iterator[psycopg.Connection]:
    with connect(url, autocommit=False) as session:
        session.execute(statement.encode())
        yield session
        session.rollback()


async def until_waiting(url: str, count: int) -> list[int]:
    """The process ids of sessions that wait for a lock, once there are `count`."""
    waiting: list[int] = []

    def are_waiting() -> bool:
        waiting[:] = [pid for (pid,) in rows(url, WAITING)]
        return len(waiting) >= count

    await until(are_waiting, "the conflict")
    return waiting


async def in_conflict(url: str, lock: str, *operations: Awaitable[Any]) -> list[Any]:
    """The results of operations that all wait for a lock before it is released."""
    with holding(url, lock) as session:
        tasks = []
        for count, operation in enumerate(operations, start=1):
            tasks.append(asyncio.ensure_future(operation))
            await until_waiting(url, count)
        session.rollback()
        return list(await asyncio.gather(*tasks))


def a_batch(prefix: str, users: Sequence[str]) -> list[AuthorizationRequest]:
    return [
        a_request(f"{prefix}{number:02}", user_id=user, amount_minor=1)
        for number, user in enumerate(users)
    ]


def permits(responses: Sequence[AuthorizationResponse]) -> int:
    return sum(b'"PERMIT"' in response.body for response in responses)


async def test_batches_locking_the_same_accounts_never_deadlock(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = adapter.keys_of

    def opposite_orders(requests: Sequence[AuthorizationRequest]) -> list[str]:
        # The order of a set differs between processes: here both extremes.
        columns, is_reversed = real(requests), requests[0].transaction_id.startswith("b")
        split = (column.split(SEPARATOR) for column in columns[:3])
        accounts = sorted(zip(*split, strict=True), reverse=is_reversed)
        return [*map(SEPARATOR.join, zip(*accounts, strict=True)), *columns[3:]]

    monkeypatch.setattr(adapter, "keys_of", opposite_orders)
    first, second = Watched(pool, is_locking=True), Watched(pool, is_locking=True)
    responses = await in_conflict(
        database_url,
        HOLD_MIDDLE,
        first.decide(a_batch("a", USERS)),
        second.decide(a_batch("b", USERS)),
    )

    assert [*first.deadlocks, *second.deadlocks] == []
    assert list(map(permits, responses)) == [20, 20]


async def test_batches_debiting_the_same_accounts_never_deadlock(
    pool: Pool, database_url: str
) -> None:
    """Without locks beforehand; rows are written by id, whose order is reversed in one batch."""
    first, second = Watched(pool), Watched(pool)
    backwards = a_batch("b", USERS[::-1])
    responses = await in_conflict(
        database_url, HOLD_MIDDLE, first.decide(a_batch("a", USERS)), second.decide(backwards)
    )

    assert [*first.deadlocks, *second.deadlocks] == []
    assert list(map(permits, responses)) == [20, 20]


async def test_batches_writing_the_same_ids_never_deadlock(pool: Pool, database_url: str) -> None:
    first, second = Watched(pool), Watched(pool)
    await first.decide([a_request("first", user_id="another", amount_minor=1)])
    forwards = a_batch("t", ["user_01"] * 20)
    backwards = a_batch("t", ["user_02"] * 20)[::-1]
    responses = await in_conflict(
        database_url, HOLD_ID, first.decide(forwards), second.decide(backwards)
    )

    assert [*first.deadlocks, *second.deadlocks] == []
    kinds = [{response.kind for response in batch} for batch in responses]
    assert kinds == [{ResponseKind.DECIDED}, {ResponseKind.MISMATCHED}]


async def test_batch_with_terminated_session_is_retried_in_another(
    pool: Pool, database_url: str
) -> None:
    with holding(database_url, HOLD_MIDDLE):
        decision = asyncio.ensure_future(Watched(pool).decide(a_batch("a", USERS)))
        (waiting,) = await until_waiting(database_url, 1)
        rows(database_url, "select pg_terminate_backend(%s)", waiting)
        await until_waiting_is_another(database_url, waiting)

    assert permits(await decision) == 20


async def until_waiting_is_another(url: str, pid: int) -> None:
    await until(lambda: any(waiting != pid for (waiting,) in rows(url, WAITING)), "another try")


async def test_concurrent_increments_are_counted_in_turn(pool: Pool, database_url: str) -> None:
    """Without the account's lock neither would count the other."""
    store = PostgresAuthorizations(pool)
    held = [a_request(name, user_id=MIDDLE, is_capture=False) for name in ("h1", "h2")]
    await store.decide(held)
    limit = SpendingLimit(LimitKind.DAY, max_count=3)
    PostgresSpendingLimits(database_url).change(PROGRAM, MIDDLE, "USD", [limit], changed_by="test")
    increments = [
        AuthorizationAction(ActionKind.INCREMENT, PROGRAM, name, "0.01", "i1")
        for name in ("h1", "h2")
    ]
    responses: list[ActionResponse] = await in_conflict(
        database_url, HOLD_MIDDLE, *(apply(store, increment) for increment in increments)
    )

    assert [b'"velocity_limit"' in response.body for response in responses] == [False, True]
