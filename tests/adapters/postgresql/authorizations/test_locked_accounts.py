"""An account that another session has locked keeps only its own members from being decided."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from authorizer.decisions.batcher import Batcher
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.authorizer_pools import BATCH_LOCK_TIMEOUT
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.sessions import Pool, open_pool
from cardops.rules.authorizations.actions import ActionKind, AuthorizationAction
from tests.factories.authorizations import PROGRAM, a_request
from tests.oracles.ledger_totals import assert_books_add_up
from tests.servers.killable_credit import credit_users
from tests.servers.starvation import Starvation

pytestmark = pytest.mark.database

USERS = ["ann", "ben", "cora"]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_url, max_size=3, lock_timeout=BATCH_LOCK_TIMEOUT)
    await opened.execute("insert into programs (program, currency) values ('default', 'USD')")
    credit_users(database_url, dict.fromkeys(USERS, 1000))
    yield opened
    opened.terminate()
    assert_books_add_up(database_url)


@contextmanager
def locked(url: str, user: str) -> Iterator[None]:
    with connect(url, autocommit=False) as session:
        session.execute("select from accounts where user_id = %s for update", [user])
        yield
        session.rollback()


def capture(user: str) -> AuthorizationAction:
    return AuthorizationAction(ActionKind.CAPTURE, PROGRAM, f"h-{user}")


async def hold_for_all(store: PostgresAuthorizations) -> None:
    await store.decide(
        [a_request(f"h-{user}", user_id=user, amount_minor=100, is_capture=False) for user in USERS]
    )


async def test_members_on_a_locked_account_are_set_apart(pool: Pool, database_url: str) -> None:
    store = PostgresAuthorizations(pool)
    await hold_for_all(store)
    requests = [a_request(f"t-{user}", user_id=user, amount_minor=1) for user in USERS]
    starved, began = Starvation(), time.monotonic()
    with locked(database_url, "ben"):
        decided = await store.decide(requests)
        applied = await store.apply([capture(user) for user in USERS])
        is_locked = await store.locked_accounts([(PROGRAM, user, "USD") for user in USERS])
    assert [response.kind.value for response in decided] == ["decided", "locked", "decided"]
    assert [response.result.value for response in applied] == ["done", "locked", "done"]
    assert is_locked == {(PROGRAM, "ben", "USD")}
    assert time.monotonic() - began - starved.seconds() < 2.0


async def test_work_on_a_locked_account_waits_without_delaying_others(
    pool: Pool, database_url: str
) -> None:
    store = PostgresAuthorizations(pool)
    await hold_for_all(store)
    batcher = Batcher(store)
    usual = await seconds_of_decisions(batcher, "u")
    with locked(database_url, "ben"):
        waiting = [
            asyncio.create_task(batcher.decide(a_request("t-ben", user_id="ben", amount_minor=1))),
            *(asyncio.create_task(batcher.apply(capture("ben"))) for _ in range(3)),
        ]
        await asyncio.sleep(0.3)  # found locked by now
        seconds = await seconds_of_decisions(batcher, "t")
        await batcher.apply(capture("cora"))
        assert not any(task.done() for task in waiting)
        assert pool.get_size() - pool.get_idle_size() <= 1, "no session waits for the account"
    decided, first, *again = await asyncio.gather(*waiting)
    await batcher.drain()
    assert b'"PERMIT"' in decided.body
    assert first.result.value == "done"
    assert [response.result.value for response in again] == ["replayed"] * 2
    # To wait for the account would delay each of them, a busy machine only some.
    assert statistics.median(seconds) < max(0.1, 5 * statistics.median(usual))


async def seconds_of_decisions(batcher: Batcher, name: str) -> list[float]:
    """What each of ten decisions takes, one after the other, about an account that is not locked."""
    seconds = []
    for number in range(10):
        began = time.monotonic()
        request = a_request(f"{name}{number}", user_id="ann", amount_minor=1)
        assert b'"PERMIT"' in (await batcher.decide(request)).body
        seconds.append(time.monotonic() - began)
    return seconds


async def test_work_on_a_locked_account_is_undecided_at_its_deadline(
    pool: Pool, database_url: str
) -> None:
    store = PostgresAuthorizations(pool)
    await hold_for_all(store)
    batcher = Batcher(store, deadline_seconds=0.5)
    starved, began = Starvation(), time.monotonic()
    with locked(database_url, "ben"):
        decided, applied = await asyncio.gather(
            batcher.decide(a_request("t-ben", user_id="ben", amount_minor=1)),
            batcher.apply(capture("ben")),
        )
        await batcher.drain()
    assert (decided.kind.value, applied.result.value) == ("undecided", "undecided")
    seconds = time.monotonic() - began
    assert 0.4 < seconds < 1.5 + starved.seconds()
