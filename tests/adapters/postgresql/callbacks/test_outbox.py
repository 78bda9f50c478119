"""The callback outbox on the fake and on PostgreSQL: leases, results, replays, pages."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from cardops.adapters.postgresql.audit_trail import PostgresAuditTrail
from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.sessions import open_pool
from cardops.ports import CallbackOutbox
from cardops.rules.audit import AuditResult, Origin
from cardops.rules.callbacks.callbacks import CallbackResponse, CallbackState, attempt_result
from tests.factories.authorizations import NOON, a_request
from tests.factories.database_clock import DatabaseClock
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock

LATER = NOON + timedelta(hours=1)


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
async def outbox(request: pytest.FixtureRequest) -> AsyncIterator[CallbackOutbox]:
    """Three callbacks, due since noon."""
    requests = [a_request(f"t{n}", callback_url=f"https://hooks.example.com/{n}") for n in range(3)]
    if request.param == "fake":
        fake = FakeAuthorizations(FakeClock(NOON))
        await fake.decide(requests)
        yield fake.outbox
        return
    clock = DatabaseClock(request.getfixturevalue("database_url"), NOON)
    pool = await open_pool(clock.url)
    await PostgresAuthorizations(pool).decide([*requests, a_request("none")])
    yield PostgresCallbackOutbox(pool)
    pool.terminate()
    clock.close()


async def test_leased_callback_is_not_leased_again_until_the_lease_expires(
    outbox: CallbackOutbox,
) -> None:
    first = await outbox.lease_due(NOON, 2, 60)
    second = await outbox.lease_due(NOON, 10, 60)
    after = await outbox.lease_due(NOON + timedelta(seconds=60), 10, 60)

    assert [callback.transaction_id for callback in first + second] == ["t0", "t1", "t2"]
    assert [callback.attempt_count for callback in after] == [2, 2, 2]
    assert first[0].body.startswith(b'{"transaction_id":"t0"')


async def test_result_of_an_expired_lease_is_ignored(outbox: CallbackOutbox) -> None:
    (lost, *_) = await outbox.lease_due(NOON, 1, 60)
    (*_, again) = [
        callback
        for callback in await outbox.lease_due(LATER, 10, 60)
        if callback.callback_id == lost.callback_id
    ]
    await outbox.record([attempt_result(again, CallbackResponse(200), LATER, 0.5)])
    await outbox.record([attempt_result(lost, CallbackResponse(410), LATER, 0.5)])

    delivered, _ = await outbox.list_callbacks("default", "delivered", None, 10)
    assert [callback.callback_id for callback in delivered] == [lost.callback_id]


async def test_failed_callback_is_due_again_and_a_dead_one_only_after_replay(
    outbox: CallbackOutbox,
) -> None:
    failed, dead, _ = await outbox.lease_due(NOON, 10, 7200)
    await outbox.record(
        [
            attempt_result(failed, CallbackResponse(500), NOON, 0.5),
            attempt_result(dead, CallbackResponse(410), NOON, 0.5),
        ]
    )

    due = await outbox.lease_due(LATER, 10, 60)
    assert [callback.callback_id for callback in due] == [failed.callback_id]
    assert not await outbox.replay("other", dead.callback_id)
    assert await outbox.replay("default", dead.callback_id)
    (replayed,) = (await outbox.list_callbacks(None, "pending", None, 10))[0][1:2]
    assert (replayed.state, replayed.attempt_count) == (CallbackState.PENDING, 0)


async def test_next_page_begins_where_the_last_one_ended(outbox: CallbackOutbox) -> None:
    first, cursor = await outbox.list_callbacks("default", None, None, 2)
    second, end = await outbox.list_callbacks("default", None, cursor, 2)

    assert sorted(callback.transaction_id for callback in first + second) == ["t0", "t1", "t2"]
    assert (len(first), len(second), end) == (2, 1, None)
    assert await outbox.list_callbacks("other", None, None, 2) == ([], None)


async def test_oldest_due_callback_excludes_leased_ones(
    outbox: CallbackOutbox,
) -> None:
    due = await outbox.oldest_due_at(LATER)
    leased = await outbox.lease_due(NOON, 10, 60)
    while_leased = await outbox.oldest_due_at(NOON)
    after_expiry = await outbox.oldest_due_at(LATER)

    assert (due, while_leased, after_expiry) == (NOON, None, leased[0].next_attempt_at)


@pytest.mark.database
async def test_replay_by_a_key_is_in_the_audit_trail(database_url: str) -> None:
    pool = await open_pool(database_url)
    await PostgresAuthorizations(pool).decide([a_request("t1", callback_url="https://h.example/1")])
    outbox = PostgresCallbackOutbox(pool)
    ((callback,), _) = await outbox.list_callbacks(None, None, None, 10)

    assert await outbox.replay("default", callback.callback_id, "key_1")
    assert not await outbox.replay("other", callback.callback_id, "key_2")
    assert await outbox.replay(None, callback.callback_id)
    pool.terminate()

    (record,) = PostgresAuditTrail(database_url).latest(datetime(2020, 1, 1, tzinfo=UTC), 10)
    assert (record.entry.origin, record.entry.actor) == (Origin.API, "key_1")
    assert record.entry.subject == f"callback_id {callback.callback_id}, program default"
    assert record.result is AuditResult.DONE
