"""Changes wait for the decisions that were being written, and for nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.authorizations.writers import LocksHiddenError
from cardops.adapters.postgresql.connection import connect, with_options
from cardops.adapters.postgresql.migrate import known_migrations, migrate
from cardops.adapters.postgresql.sessions import Pool, open_pool
from cardops.rules.accounts.spending_limits import LimitKind, SpendingLimit
from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
)
from cardops.rules.authorizations.decisions import AuthorizationResponse
from tests.factories.authorization_stores import apply
from tests.factories.authorizations import PROGRAM, USER, a_request
from tests.factories.waiting import until
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.servers.killable_credit import credit_users
from tests.servers.starvation import Starvation

pytestmark = pytest.mark.database

WAITING = """
select pid from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
"""
# The migration that moved announced voids to a table of their own.
VOIDED_IDS = 10
LIMIT = SpendingLimit(LimitKind.AUTHORIZATION, 50)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_url)
    await opened.execute("insert into programs (program, currency) values ('default', 'USD')")
    credit_users(database_url, {USER: 1000, "other": 1000})
    yield opened
    opened.terminate()
    assert_books_add_up(database_url)


@contextmanager
def account_locked(url: str) -> Iterator[psycopg.Connection]:
    """A decision of this user is in the middle of its write until the session is committed."""
    with psycopg.connect(url) as session:
        session.execute("select from accounts where user_id = %s for update", [USER])
        yield session


async def until_waiting(url: str, count: int = 1) -> None:
    await until(lambda: len(rows(url, WAITING)) >= count, "decisions that wait for the account")


def hold(store: PostgresAuthorizations, name: str) -> "asyncio.Task[list[AuthorizationResponse]]":
    return asyncio.create_task(store.decide([a_request(name, amount_minor=100, is_capture=False)]))


def void(store: PostgresAuthorizations, name: str) -> "asyncio.Task[ActionResponse]":
    action = AuthorizationAction(ActionKind.VOID, PROGRAM, name)
    return asyncio.create_task(apply(store, action))


async def is_done(task: "asyncio.Task[object]", seconds: float) -> bool:
    done, _ = await asyncio.wait([task], timeout=seconds)
    return bool(done)


async def test_void_waits_for_a_decision_that_is_being_written(
    pool: Pool, database_url: str
) -> None:
    store = PostgresAuthorizations(pool)
    with account_locked(database_url) as session:
        decision = hold(store, "t1")
        await until_waiting(database_url)
        voided = void(store, "t1")
        assert not await is_done(voided, 0.2)
        session.commit()
        assert b'"PERMIT"' in (await decision)[0].body
    assert (await voided).result is ActionResult.DONE
    assert rows(database_url, "select state, held_minor from holds") == [("voided", 0)]


async def test_program_limit_waits_for_decisions_that_are_being_written(
    pool: Pool, database_url: str
) -> None:
    store, limits = PostgresAuthorizations(pool), PostgresSpendingLimits(database_url)
    with account_locked(database_url) as session:
        decision = hold(store, "t1")
        await until_waiting(database_url)
        change = asyncio.create_task(
            asyncio.to_thread(limits.change, PROGRAM, "", "USD", [LIMIT], changed_by="test")
        )
        assert not await is_done(change, 0.2)
        (later,) = await store.decide([a_request("t2", user_id="other", amount_minor=60)])
        assert b'"velocity_limit"' in later.body, "it holds for later decisions at once"
        session.commit()
        assert b'"PERMIT"' in (await decision)[0].body
    await change


async def test_changes_do_not_wait_for_readers_or_other_writers(
    pool: Pool, database_url: str
) -> None:
    store, limits = PostgresAuthorizations(pool), PostgresSpendingLimits(database_url)
    with psycopg.connect(database_url) as analyst, psycopg.connect(database_url) as writer:
        analyst.execute("set transaction isolation level repeatable read")
        analyst.execute("select count(*) from decisions, movements")
        writer.execute("update accounts set held_minor = held_minor where user_id = 'other'")
        starved, began = Starvation(), time.monotonic()
        limits.change(PROGRAM, "", "USD", [LIMIT], changed_by="test")
        assert (await void(store, "t1")).result is ActionResult.DONE
        assert time.monotonic() - began - starved.seconds() < 1.0


@pytest.mark.parametrize("is_locking", [False, True])
async def test_write_sees_what_was_committed_before_its_table_locks(
    pool: Pool,
    database_url: str,
    is_locking: bool,  # noqa: FBT001 - a parameter
) -> None:
    """What the wait relies on: a write without table locks yet has no snapshot yet either."""
    with connect(database_url) as session:
        name = session.info.dbname
        session.execute(f"alter database {name} set default_transaction_isolation = 'serializable'")
    await pool.expire_connections()  # the setting must not reach the authorizer's new sessions
    store = PostgresAuthorizations(pool)
    store._locked_batches = int(is_locking)
    with psycopg.connect(database_url) as other:
        other.execute("lock table decisions in share row exclusive mode")
        decision = hold(store, "t1")
        await until_waiting(database_url)
        with connect(database_url) as session:
            session.execute(
                "insert into voided_ids (program, transaction_id) values ('default', 't1')"
            )
        other.commit()
        assert b'"voided_before_arrival"' in (await decision)[0].body


async def test_void_rejects_a_decision_that_comes_while_it_waits(
    pool: Pool, database_url: str
) -> None:
    store = PostgresAuthorizations(pool)
    with account_locked(database_url) as session:
        decision = hold(store, "t1")
        await until_waiting(database_url)
        voided = void(store, "t2")
        assert not await is_done(voided, 0.05)
        (late,) = await store.decide([a_request("t2", user_id="other", amount_minor=1)])
        session.commit()
        await decision
    assert b'"voided_before_arrival"' in late.body
    assert (await voided).result is ActionResult.DONE
    again = await void(store, "t2")
    assert (again.result, again.body) == (ActionResult.REPLAYED, (await voided).body)


async def test_void_killed_after_its_announcement_is_completed_by_the_next(
    pool: Pool, database_url: str
) -> None:
    store = PostgresAuthorizations(pool)
    await pool.execute("insert into voided_ids (program, transaction_id) values ('default', 't1')")
    (response,) = await store.decide([a_request("t1", amount_minor=1)])
    assert b'"voided_before_arrival"' in response.body
    assert (await void(store, "t1")).result is ActionResult.DONE
    assert (await void(store, "t1")).result is ActionResult.REPLAYED


async def test_change_is_not_reported_where_locks_are_hidden(database_url: str) -> None:
    with connect(database_url) as session:
        session.execute("insert into programs (program, currency) values ('default', 'USD')")
        session.execute("create schema hiding")
        session.execute(
            "create view hiding.pg_locks as select * from pg_catalog.pg_locks where false"
        )
    url = with_options(database_url, "-csearch_path=cardops,hiding,pg_catalog")
    with pytest.raises(LocksHiddenError, match="does not show its locks"):
        PostgresSpendingLimits(url).change(PROGRAM, "", "USD", [LIMIT], changed_by="test")


async def test_void_from_before_the_migration_still_rejects_its_authorization(
    empty_database_url: str,
) -> None:
    before = [migration for migration in known_migrations() if migration.version < VOIDED_IDS]
    with connect(empty_database_url) as session:
        migrate(session, before)
        session.execute("insert into programs (program, currency) values ('default', 'USD')")
        session.execute(
            "insert into movements (program, transaction_id, kind, movement_key, status,"
            " reason_code, amount_minor, posted_minor, held_change_minor, ledger_seq, answer,"
            " posted_at) values ('default', 't1', 'void', '', 'PERMIT', 'void', 0, 0, 0, 0,"
            " 'the stored answer', now())"
        )
        migrate(session)
    credit_users(empty_database_url, {USER: 1000})
    pool = await open_pool(empty_database_url)
    store = PostgresAuthorizations(pool)
    again = await void(store, "t1")
    (response,) = await store.decide([a_request("t1", amount_minor=1)])
    pool.terminate()

    assert (again.result, again.body) == (ActionResult.REPLAYED, b"the stored answer")
    assert b'"voided_before_arrival"' in response.body
