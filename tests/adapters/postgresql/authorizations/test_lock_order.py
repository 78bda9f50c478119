"""Locks are taken in one order everywhere (accounts, ids), which rules out deadlocks.

A second session holds an earlier lock; a third one finds that no later lock is held yet.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import asyncpg
import pytest

from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.sessions import Pool, Session, open_pool
from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    AuthorizationAction,
)
from cardops.rules.authorizations.decisions import AuthorizationRequest, AuthorizationResponse
from tests.factories.authorizations import a_request
from tests.servers.killable_credit import credit_users

pytestmark = pytest.mark.database

WAITING = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
"""
PROGRAM_HELD = "update programs set revision = revision + 1"
ACCOUNT_HELD = "select 1 from accounts where user_id = '{}' for update nowait"
ID_HELD = """
insert into decisions (
    program, transaction_id, authorization_id, question_hash, user_id, currency, amount_minor,
    is_capture, status, reason_code, remaining_minor, ledger_seq, answer, decided_at
) values ('default', '{}', 'a', '', 'u', 'USD', 1, true, 'REJECT', 'unknown_user', 0, 0, '', now())
"""
ACTION_HELD = """
insert into movements (
    program, transaction_id, kind, movement_key, status, reason_code, amount_minor, posted_minor,
    held_change_minor, ledger_seq, answer, posted_at
) values ('default', '{}', 'capture', '', 'PERMIT', 'capture', 1, 0, 0, 0, '', now())
"""


class Order:
    """Checks whether a batch that waits for one lock already holds another."""

    def __init__(self, pool: Pool, store: PostgresAuthorizations) -> None:
        self.pool, self.store = pool, store

    async def is_free(
        self,
        later: str,
        *,
        while_held: str,
        requests: Sequence[AuthorizationRequest] | Sequence[AuthorizationAction],
    ) -> bool:
        async with self.pool.acquire() as holder, self.pool.acquire() as other:
            await holder.execute(f"begin; {while_held}")
            is_decision = isinstance(requests[0], AuthorizationRequest)
            work = self.store.decide if is_decision else self.store.apply
            batch = asyncio.create_task(work(requests))  # type: ignore[operator]
            await self._is_waiting(other)
            is_free = False
            with suppress(asyncpg.LockNotAvailableError):
                await other.execute(f"begin; set local lock_timeout = 200; {later}")
                is_free = True
            await other.execute("rollback")
            await holder.execute("rollback")
            self.responses: list[AuthorizationResponse | ActionResponse] = await batch
            return is_free

    async def _is_waiting(self, session: Session) -> None:
        for _ in range(6_000):
            if await session.fetchval(WAITING):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the batch waits for no lock")


@pytest.fixture
async def order(database_url: str) -> AsyncIterator[Order]:
    pool = await open_pool(database_url)
    await pool.execute("insert into programs (program, currency) values ('default', 'USD')")
    credit_users(database_url, {"ann": 1000, "ben": 1000})
    yield Order(pool, PostgresAuthorizations(pool))
    pool.terminate()


REQUESTS = [
    a_request("t2", user_id="ben", amount_minor=1),
    a_request("t1", user_id="ann", amount_minor=1),
]
HOLDS = [request._replace(is_capture=False) for request in REQUESTS]
CAPTURES = [
    AuthorizationAction(ActionKind.CAPTURE, "default", name, "0.01") for name in ("t2", "t1")
]


async def test_decision_waits_for_no_lock_on_its_program(order: Order) -> None:
    async with order.pool.acquire() as holder:
        await holder.execute(f"begin; {PROGRAM_HELD}")
        for is_locking in (False, True):
            order.store._locked_batches = int(is_locking)
            requests = [a_request(f"t{is_locking}", user_id="ann", amount_minor=1)]
            (response,) = await asyncio.wait_for(order.store.decide(requests), 2)
            assert b'"PERMIT"' in response.body
        await holder.execute("rollback")


async def test_decisions_leave_no_mark_of_a_lock_on_their_program(order: Order) -> None:
    # Each share lock of several sessions is a multixact, which a vacuum has to clear away.
    for number in range(4):
        order.store._locked_batches = number % 2
        await order.store.decide([a_request(f"t{number}", user_id="ann", amount_minor=1)])
    assert await order.pool.fetchval("select xmax::text from programs") == "0"


async def test_batch_locks_accounts_in_order(order: Order) -> None:
    ann, ben = ACCOUNT_HELD.format("ann"), ACCOUNT_HELD.format("ben")
    assert await order.is_free(ben, while_held=ann, requests=REQUESTS)
    assert [b'"PERMIT"' in response.body for response in order.responses] == [True, True]


async def test_action_batch_locks_accounts_in_order(order: Order) -> None:
    await order.store.decide(HOLDS)
    ann, ben = ACCOUNT_HELD.format("ann"), ACCOUNT_HELD.format("ben")
    assert await order.is_free(ben, while_held=ann, requests=CAPTURES)
    assert [b'"captured"' in response.body for response in order.responses] == [True, True]


async def test_action_batch_writes_ids_in_order(order: Order) -> None:
    await order.store.decide(HOLDS)
    first, second = ACTION_HELD.format("t1"), ACTION_HELD.format("t2")
    assert await order.is_free(second, while_held=first, requests=CAPTURES)
    assert [b'"captured"' in response.body for response in order.responses] == [True, True]


async def test_action_locks_accounts_before_ids(order: Order) -> None:
    await order.store.decide(HOLDS)
    held = ACCOUNT_HELD.format("ann")
    assert await order.is_free(ACTION_HELD.format("t1"), while_held=held, requests=CAPTURES)


async def test_decision_locks_accounts_before_ids(order: Order) -> None:
    held = ACCOUNT_HELD.format("ann")
    assert await order.is_free(ID_HELD.format("t1"), while_held=held, requests=REQUESTS)


async def test_batch_writes_ids_in_order(order: Order) -> None:
    first, second = ID_HELD.format("t1"), ID_HELD.format("t2")
    assert await order.is_free(second, while_held=first, requests=REQUESTS)
    assert [b'"PERMIT"' in response.body for response in order.responses] == [True, True]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (ACCOUNT_HELD.format("ann"), ACCOUNT_HELD.format("ben")),
        (ACCOUNT_HELD.format("ben"), ID_HELD.format("t1")),
        (ID_HELD.format("t1"), ID_HELD.format("t2")),
    ],
)
async def test_batch_holds_earlier_locks_while_waiting_for_later(
    order: Order, earlier: str, later: str
) -> None:
    assert not await order.is_free(earlier, while_held=later, requests=REQUESTS)
