"""The sweeper: many holds a commit, and a hold that cannot be released keeps no other."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from authorizer import background, sweeper
from authorizer.background import background_work
from authorizer.decisions.batcher import Batcher
from authorizer.dependencies import Dependencies
from authorizer.metrics import Metrics
from authorizer.sweeper import Sweeper
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.authorizations.expired_holds import PostgresExpiredHolds
from cardops.adapters.postgresql.authorizer_pools import BATCH_LOCK_TIMEOUT
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.sessions import Pool, open_pool
from tests.factories.authorizations import a_request
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock
from tests.fakes.notifier import FakeNotifier
from tests.fakes.outbox import FakeCallbackOutbox
from tests.fakes.programs import FakePrograms
from tests.fakes.reads import FakeReads
from tests.fakes.secrets import FakeSecretStore
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.servers.killable_credit import credit_users

pytestmark = pytest.mark.database

USERS = [f"user_{number:02}" for number in range(20)]
EXPIRE = "update holds set expires_at = clock_timestamp() - interval '1 minute'"
STATES = "select state, count(*) from holds group by state order by state"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_url, lock_timeout=BATCH_LOCK_TIMEOUT)
    await opened.execute("insert into programs (program, currency) values ('default', 'USD')")
    credit_users(database_url, dict.fromkeys(USERS, 100_000))
    yield opened
    opened.terminate()


async def hold(pool: Pool, count: int) -> None:
    """Holds that are overdue, spread over all users."""
    requests = [
        a_request(f"h{n}", user_id=USERS[n % len(USERS)], amount_minor=10, is_capture=False)
        for n in range(count)
    ]
    await PostgresAuthorizations(pool).decide(requests)
    await pool.execute(EXPIRE)


def a_sweeper(pool: Pool, notifier: FakeNotifier | None = None) -> Sweeper:
    batcher = Batcher(PostgresAuthorizations(pool))
    return Sweeper(PostgresExpiredHolds(pool), batcher, Metrics(), notifier)


@contextmanager
def locked(url: str, user: str) -> Iterator[None]:
    with connect(url, autocommit=False) as session:
        session.execute("select from accounts where user_id = %s for update", [user])
        yield
        session.rollback()


async def test_many_holds_are_released_in_one_commit(pool: Pool, database_url: str) -> None:
    await hold(pool, 200)

    assert await a_sweeper(pool).turn() == 200

    assert rows(database_url, STATES) == [("expired", 200)]
    assert rows(database_url, "select count(distinct xmin::text) from movements") == [(1,)]
    assert_books_add_up(database_url)


async def test_stuck_holds_keep_no_other_and_are_reported_once(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hold(pool, 60)
    with connect(database_url) as session:
        session.execute("update holds set held_minor = 999999 where transaction_id = 'h1'")
        # What is stuck is the oldest.
        session.execute(
            "update holds set expires_at = expires_at - interval '1 hour'"
            " where user_id in ('user_00', 'user_01')"
        )
    monkeypatch.setattr(sweeper, "PAGE", 16)
    monkeypatch.setattr(sweeper, "LOCKED_SECONDS", 0.0)
    notifier = FakeNotifier()
    swept = a_sweeper(pool, notifier)
    with locked(database_url, "user_00"):
        released = [await swept.turn() for _ in range(3)]
    after = await swept.turn()

    assert released == [56, 0, 0]
    assert after == 3, "the account is free again"
    assert rows(database_url, STATES) == [("expired", 59), ("held", 1)]
    assert len(notifier.alarms) == 1
    assert "4 expired holds cannot be released" in notifier.alarms[0][1]
    assert b"cardops_stuck_holds 1.0" in swept._metrics.text()


async def test_alarm_of_a_process_that_ended_is_ended_by_the_next(
    pool: Pool, database_url: str
) -> None:
    """A restart is what the runbook asks for."""
    notifier = FakeNotifier()
    notifier.notify("Expired holds cannot be released", "told before", incident="expired-holds")
    first, second = a_sweeper(pool, notifier), a_sweeper(pool, notifier)

    await first.turn()
    assert notifier.resolved == [("expired-holds", "Every expired hold was released.")]

    notifier.notify(
        "Expired holds cannot be released", "told by the first", incident="expired-holds"
    )
    first._may_be_open = False
    await second.turn()
    assert notifier.open == {}


async def test_one_process_at_a_time_releases_holds(pool: Pool, database_url: str) -> None:
    await hold(pool, 40)
    first, second = a_sweeper(pool), a_sweeper(pool)

    released = [await first.turn(), await second.turn()]
    await pool.execute(
        "update holds set state = 'held', held_minor = 0 where transaction_id = 'h1'"
    )
    waits = await second.turn()
    await pool.execute("update sweeper_lease set expires_at = clock_timestamp() - interval '1 s'")
    takes_over = await second._expired_holds.take_lease("second")

    assert released == [40, 0]
    assert waits == 0
    assert takes_over


async def test_local_clock_that_is_ahead_expires_nothing(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight days ahead: by that clock every hold is overdue."""
    await hold(pool, 5)
    await pool.execute("update holds set expires_at = clock_timestamp() + interval '7 days'")
    monkeypatch.setattr(background, "SWEEP_SECONDS", 0.02)
    ahead = FakeClock(datetime.now(UTC) + timedelta(days=8))
    outbox, fake = FakeCallbackOutbox(), FakeAuthorizations()
    dependencies = Dependencies(
        PostgresAuthorizations(pool), FakePrograms(), outbox, FakeReads(fake, outbox),
        FakeSecretStore(), ahead, expired_holds=PostgresExpiredHolds(pool),
    )  # fmt: skip
    async with background_work(dependencies, Metrics()):
        await asyncio.sleep(0.3)

    assert rows(database_url, STATES) == [("held", 5)]
