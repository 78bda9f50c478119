"""What holds of the callback outbox, on the fake and on PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.sessions import open_pool
from cardops.ports import CallbackOutbox
from cardops.rules.callbacks.callbacks import CallbackState, Response, verdict
from tests.factories.authorizations import NOON, a_request
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock

LATER = NOON + timedelta(hours=1)


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
async def outbox(request: pytest.FixtureRequest) -> AsyncIterator[CallbackOutbox]:
    """Three callbacks owed since noon."""
    requests = [a_request(f"t{n}", callback_url=f"https://hooks.example.com/{n}") for n in range(3)]
    if request.param == "fake":
        fake = FakeAuthorizations(FakeClock(NOON))
        await fake.decide(requests)
        yield fake.outbox
        return
    pool = await open_pool(request.getfixturevalue("database_url"))
    await PostgresAuthorizations(pool, now=lambda: NOON).decide([*requests, a_request("none")])
    yield PostgresCallbackOutbox(pool)
    pool.terminate()


async def test_what_one_worker_took_no_other_takes_until_its_lease_is_over(
    outbox: CallbackOutbox,
) -> None:
    first = await outbox.take_due(NOON, 2, 60)
    second = await outbox.take_due(NOON, 10, 60)
    after = await outbox.take_due(NOON + timedelta(seconds=60), 10, 60)

    assert [one.transaction_id for one in first + second] == ["t0", "t1", "t2"]
    assert [one.attempt_count for one in after] == [2, 2, 2]
    assert first[0].body.startswith(b'{"transaction_id":"t0"')


async def test_a_result_of_a_lost_lease_says_nothing(outbox: CallbackOutbox) -> None:
    (lost, *_) = await outbox.take_due(NOON, 1, 60)
    (*_, again) = [
        one for one in await outbox.take_due(LATER, 10, 60) if one.callback_id == lost.callback_id
    ]
    await outbox.record([verdict(again, Response(200), LATER, 0.5)])
    await outbox.record([verdict(lost, Response(410), LATER, 0.5)])

    delivered, _ = await outbox.list_callbacks("default", "delivered", None, 10)
    assert [one.callback_id for one in delivered] == [lost.callback_id]


async def test_a_failed_callback_is_due_again_and_a_dead_one_by_replay_only(
    outbox: CallbackOutbox,
) -> None:
    failed, dead, _ = await outbox.take_due(NOON, 10, 7200)
    await outbox.record(
        [verdict(failed, Response(500), NOON, 0.5), verdict(dead, Response(410), NOON, 0.5)]
    )

    due = await outbox.take_due(LATER, 10, 60)
    assert [one.callback_id for one in due] == [failed.callback_id]
    assert not await outbox.replay("other", dead.callback_id)
    assert await outbox.replay("default", dead.callback_id)
    (owed,) = (await outbox.list_callbacks(None, "pending", None, 10))[0][1:2]
    assert (owed.state, owed.attempt_count) == (CallbackState.PENDING, 0)


async def test_a_list_goes_on_where_its_page_ended(outbox: CallbackOutbox) -> None:
    first, cursor = await outbox.list_callbacks("default", None, None, 2)
    second, end = await outbox.list_callbacks("default", None, cursor, 2)

    assert sorted(one.transaction_id for one in first + second) == ["t0", "t1", "t2"]
    assert (len(first), len(second), end) == (2, 1, None)
    assert await outbox.list_callbacks("other", None, None, 2) == ([], None)


async def test_the_age_of_the_outbox_is_that_of_what_waits_for_a_worker(
    outbox: CallbackOutbox,
) -> None:
    waiting = await outbox.oldest_due_at(LATER)
    taken = await outbox.take_due(NOON, 10, 60)
    in_hand = await outbox.oldest_due_at(NOON)
    lapsed = await outbox.oldest_due_at(LATER)

    assert (waiting, in_hand, lapsed) == (NOON, None, taken[0].next_attempt_at)
