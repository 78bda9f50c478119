"""Host queues, failing endpoints, the delivery log and replays, on the fake and PostgreSQL."""

import asyncio
from datetime import datetime, timedelta

import pytest

from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.callbacks.callbacks import (
    Callback,
    CallbackResponse,
    CallbackSelection,
    CallbackState,
    attempt_result,
)
from cardops.rules.callbacks.endpoints import ENDPOINT_DISABLED, HostCapacity
from tests.adapters.postgresql.conftest import CallbackStore
from tests.factories.authorizations import NOON

SLOW = "https://slow.example.com/hook"
FAST = "https://fast.example.com/hook"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


async def end(
    callback_store: CallbackStore,
    callback: Callback,
    code: int | None,
    at: datetime,
    **options: int,
) -> None:
    error = None if code and code < 300 else "No."
    response = CallbackResponse(code, error=error)
    await callback_store.outbox.record([attempt_result(callback, response, at, 0.5, **options)])


async def fail_for(callback_store: CallbackStore, days: int) -> None:
    """One callback a day to SLOW, each fails."""
    for day in range(days + 1):
        at = NOON + day * DAY
        await callback_store.add(SLOW, at=at)
        for callback in await callback_store.outbox.lease_due(at, 1000, 60):
            await end(callback_store, callback, 503, at)


async def test_backlog_of_one_host_queue_does_not_delay_the_others(
    callback_store: CallbackStore,
) -> None:
    await callback_store.add(*[f"{SLOW}?n={number}" for number in range(30)])
    await callback_store.add(FAST, at=NOON + MINUTE)
    await callback_store.add(SLOW, at=NOON + MINUTE, program="other")

    leased = await callback_store.outbox.lease_due(NOON + 2 * MINUTE, 10, 60, HostCapacity(4))
    more = await callback_store.outbox.lease_due(
        NOON + 2 * MINUTE, 10, 60, HostCapacity(4, {("default", "slow.example.com"): 0})
    )

    assert [(callback.program, callback.url[:20]) for callback in leased].count(
        ("default", SLOW[:20])
    ) == 4
    assert {
        (callback.program, callback.url) for callback in leased if callback.url in {FAST, SLOW}
    } == {
        ("default", FAST),
        ("other", SLOW),
    }
    assert more == []


async def test_oldest_due_callback_is_found_among_all_host_queues(
    callback_store: CallbackStore,
) -> None:
    await callback_store.add(FAST, at=NOON + MINUTE)
    await callback_store.add(SLOW)

    assert await callback_store.outbox.oldest_due_at(NOON + DAY) == NOON
    assert await callback_store.outbox.oldest_due_at(NOON - DAY) is None


async def test_endpoint_that_failed_for_five_days_is_disabled(
    callback_store: CallbackStore,
) -> None:
    await fail_for(callback_store, days=4)
    assert await callback_store.administration.endpoints(None, only_disabled=True) == []
    assert await callback_store.outbox.disabled_endpoint_count() == 0
    await fail_for(callback_store, days=5)

    (disabled,) = await callback_store.administration.endpoints("default", only_disabled=True)
    assert await callback_store.outbox.disabled_endpoint_count() == 1
    assert (disabled.endpoint, disabled.failing_since) == (SLOW, NOON)
    assert disabled.disabled_because == "All attempts have failed for 5 days."
    assert disabled.last_status_code == 503


async def test_pending_callbacks_of_a_disabled_endpoint_become_dead_once(
    callback_store: CallbackStore,
) -> None:
    await callback_store.add(SLOW, f"{SLOW}?x=1", FAST)
    capacity = HostCapacity(0, {("default", "slow.example.com"): 1})
    (gone,) = await callback_store.outbox.lease_due(NOON, 10, 60, capacity)
    await end(callback_store, gone, 410, NOON)

    closed = await callback_store.outbox.dead_letter_disabled(NOON + MINUTE)
    again = await callback_store.outbox.dead_letter_disabled(NOON + MINUTE)

    assert [endpoint.endpoint for endpoint in closed] == [SLOW]
    assert closed[0].disabled_because == "It answered 410 Gone."
    assert again == []
    dead, waiting = await callback_store.all("dead"), await callback_store.all("pending")
    assert [callback.url for callback in waiting] == [FAST]
    assert len(dead) == 2
    assert str(dead[1].last_error).startswith(ENDPOINT_DISABLED)


async def test_new_callback_to_a_disabled_endpoint_is_dead_and_never_sent(
    callback_store: CallbackStore,
) -> None:
    await callback_store.add(SLOW)
    (gone,) = await callback_store.outbox.lease_due(NOON, 1, 60)
    await end(callback_store, gone, 410, NOON)
    await callback_store.add(f"{SLOW}?n=2", at=NOON + DAY)

    (refused,) = await callback_store.outbox.lease_due(NOON + DAY, 10, 60)

    assert (refused.state, refused.attempt_count) == (CallbackState.DEAD, 0)
    assert refused.last_error == ENDPOINT_DISABLED
    assert (await callback_store.all("pending")) == []


async def test_replay_is_tried_while_disabled_and_its_success_enables(
    callback_store: CallbackStore,
) -> None:
    await callback_store.add(SLOW)
    (gone,) = await callback_store.outbox.lease_due(NOON, 1, 60)
    await end(callback_store, gone, 410, NOON)
    assert await callback_store.outbox.replay("default", gone.callback_id)
    assert len(await callback_store.outbox.dead_letter_disabled(NOON)) == 1

    later = datetime.now(NOON.tzinfo) + DAY
    (probe,) = await callback_store.outbox.lease_due(later, 10, 60)
    await end(callback_store, probe, 200, later)

    assert probe.callback_id == gone.callback_id
    assert await callback_store.administration.endpoints(None, only_disabled=False) == []
    assert [callback.state for callback in await callback_store.all()] == [CallbackState.DELIVERED]


async def test_failed_replay_leaves_the_endpoint_disabled(callback_store: CallbackStore) -> None:
    await callback_store.add(SLOW)
    (gone,) = await callback_store.outbox.lease_due(NOON, 1, 60)
    await end(callback_store, gone, 410, NOON)
    await callback_store.outbox.replay("default", gone.callback_id)
    later = datetime.now(NOON.tzinfo) + 7 * DAY
    (probe,) = await callback_store.outbox.lease_due(later, 10, 60)
    await end(callback_store, probe, 503, later)

    (again,) = await callback_store.outbox.lease_due(later + DAY, 10, 60)

    assert again.state is CallbackState.DEAD
    assert len(await callback_store.administration.endpoints(None, only_disabled=True)) == 1


async def test_success_in_flight_counts_after_its_endpoint_was_disabled(
    callback_store: CallbackStore,
) -> None:
    await callback_store.add(SLOW, SLOW)
    first, second = await callback_store.outbox.lease_due(NOON, 2, 60)
    await end(callback_store, first, 410, NOON)
    await callback_store.outbox.dead_letter_disabled(NOON)
    await end(callback_store, second, 200, NOON)

    states = {callback.callback_id: callback.state for callback in await callback_store.all()}
    assert states[second.callback_id] is CallbackState.DELIVERED
    assert await callback_store.administration.endpoints(None, only_disabled=False) == []


async def test_enabling_clears_failures_in_the_named_program_only(
    callback_store: CallbackStore,
) -> None:
    for program in ("default", "other"):
        await callback_store.add(SLOW, program=program)
    for callback in await callback_store.outbox.lease_due(NOON, 2, 60):
        await end(callback_store, callback, 410, NOON)

    assert await callback_store.administration.enable("default", f"{SLOW}?any=query") == 1
    assert await callback_store.administration.enable("default", SLOW) == 0
    left = await callback_store.administration.endpoints(None, only_disabled=False)
    assert [endpoint.program for endpoint in left] == ["other"]
    assert await callback_store.administration.enable(None, SLOW) == 1


async def test_local_failure_does_not_count_against_the_endpoint(
    callback_store: CallbackStore,
) -> None:
    await callback_store.add(SLOW)
    (callback,) = await callback_store.outbox.lease_due(NOON, 1, 60)
    response = CallbackResponse(error="No secret.", is_local_failure=True)
    await callback_store.outbox.record([attempt_result(callback, response, NOON, 0.5)])

    assert await callback_store.administration.endpoints(None, only_disabled=False) == []
    assert [callback.state for callback in await callback_store.all()] == [CallbackState.PENDING]


async def test_each_attempt_is_in_the_delivery_log(
    callback_store: CallbackStore,
) -> None:
    await callback_store.add(SLOW)
    (first,) = await callback_store.outbox.lease_due(NOON, 1, 60)
    await end(callback_store, first, 503, NOON + MINUTE, duration_milliseconds=1500)
    (second,) = await callback_store.outbox.lease_due(NOON + DAY, 1, 60)
    await end(callback_store, second, 200, NOON + DAY, duration_milliseconds=20)

    log = await callback_store.administration.attempts([first.callback_id])
    assert [(attempt.attempt_count, attempt.status_code, attempt.error) for attempt in log] == [
        (1, 503, "No."),
        (2, 200, None),
    ]
    assert log[0].started_at == NOON + MINUTE - timedelta(milliseconds=1500)
    assert log[0].duration_milliseconds == 1500


async def test_pruning_forgets_failures_but_not_disabled_endpoints(
    callback_store: CallbackStore,
) -> None:
    await callback_store.add(SLOW, FAST)
    for callback in await callback_store.outbox.lease_due(NOON, 2, 60):
        await end(callback_store, callback, 410 if callback.url == SLOW else 500, NOON)

    await callback_store.outbox.prune(NOON + DAY, 100)

    left = await callback_store.administration.endpoints(None, only_disabled=False)
    assert [endpoint.endpoint for endpoint in left] == [SLOW]


async def test_released_callback_is_due_again_and_its_attempt_not_counted(
    callback_store: CallbackStore,
) -> None:
    await callback_store.add(SLOW)
    leased = await callback_store.outbox.lease_due(NOON, 1, 60)
    await callback_store.outbox.release(leased, NOON)

    (again,) = await callback_store.outbox.lease_due(NOON, 1, 60)
    assert again.attempt_count == 1


async def test_replayed_range_keeps_its_ids(callback_store: CallbackStore) -> None:
    for day in range(4):
        await callback_store.add(SLOW, f"{FAST}?day={day}", at=NOON + day * DAY)
    await callback_store.add(SLOW, at=NOON + DAY, program="other")
    for callback in await callback_store.outbox.lease_due(NOON + 4 * DAY, 100, 60):
        status = 410 if "slow" in callback.url else 200
        await end(callback_store, callback, status, NOON + 4 * DAY)
    before = {callback.callback_id for callback in await callback_store.all()}
    await callback_store.administration.enable(None, SLOW)

    one_day = CallbackSelection(NOON + DAY, NOON + 2 * DAY, program="default")
    assert await callback_store.administration.replay_selected(one_day) == 1
    assert await callback_store.administration.replay_selected(one_day) == 0
    rest = CallbackSelection(NOON, NOON + 9 * DAY, endpoint=SLOW)
    assert await callback_store.administration.replay_selected(rest) == 4
    done = CallbackSelection(NOON, NOON + 9 * DAY, CallbackState.DELIVERED)
    assert await callback_store.administration.replay_selected(done) == 4
    assert {callback.callback_id for callback in await callback_store.all("pending")} == before


async def test_callback_is_found_by_its_id(callback_store: CallbackStore) -> None:
    await callback_store.add(SLOW)
    (callback,) = await callback_store.all()

    assert await callback_store.administration.find(callback.callback_id) == callback
    assert await callback_store.administration.find("cb_none") is None


@pytest.mark.database
async def test_concurrent_workers_never_lease_the_same_callback(database_url: str) -> None:
    pool = await open_pool(database_url, max_size=4)
    await pool.execute(
        "insert into callbacks (callback_id, program, transaction_id, url, body, next_attempt_at,"
        " created_at) select 'cb_' || n, 'default', 't' || n,"
        " 'https://h' || n % 7 || '.example.com/', '', $1, $1 from generate_series(1, 500) as n",
        NOON,
    )

    async def work() -> list[str]:
        outbox, ids = PostgresCallbackOutbox(pool), []
        while leased := await outbox.lease_due(NOON, 20, 60, HostCapacity(8)):
            ids += [callback.callback_id for callback in leased]
        return ids

    shares = await asyncio.gather(*(work() for _ in range(4)))
    pool.terminate()

    ids = [callback_id for share in shares for callback_id in share]
    assert len(ids) == len(set(ids)) == 500
