"""Lanes, failing endpoints, the delivery log and replays, on the fake and on PostgreSQL."""

import asyncio
from datetime import datetime, timedelta

import pytest

from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.sessions import open_pool
from cardops.rules.callbacks.callbacks import (
    Callback,
    CallbackSelection,
    CallbackState,
    Response,
    verdict,
)
from cardops.rules.callbacks.endpoints import REFUSED, HostCapacity
from tests.adapters.postgresql.conftest import Owing
from tests.factories.authorizations import NOON

SLOW = "https://slow.example.com/hook"
FAST = "https://fast.example.com/hook"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


async def end(
    owing: Owing, callback: Callback, code: int | None, at: datetime, **options: int
) -> None:
    error = None if code and code < 300 else "No."
    response = Response(code, error=error)
    await owing.outbox.record([verdict(callback, response, at, 0.5, **options)])


async def fail_for(owing: Owing, days: int) -> None:
    """One callback a day to SLOW, each fails."""
    for day in range(days + 1):
        at = NOON + day * DAY
        await owing.owe(SLOW, at=at)
        taken = await owing.outbox.take_due(at, 1000, 60)
        for one in taken:
            await end(owing, one, 503, at)


async def test_a_backlog_of_one_lane_leaves_room_for_the_others(owing: Owing) -> None:
    await owing.owe(*[f"{SLOW}?n={number}" for number in range(30)])
    await owing.owe(FAST, at=NOON + MINUTE)
    await owing.owe(SLOW, at=NOON + MINUTE, program="other")

    taken = await owing.outbox.take_due(NOON + 2 * MINUTE, 10, 60, HostCapacity(4))
    more = await owing.outbox.take_due(
        NOON + 2 * MINUTE, 10, 60, HostCapacity(4, {("default", "slow.example.com"): 0})
    )

    assert [(one.program, one.url[:20]) for one in taken].count(("default", SLOW[:20])) == 4
    assert {(one.program, one.url) for one in taken if one.url in {FAST, SLOW}} == {
        ("default", FAST),
        ("other", SLOW),
    }
    assert more == []


async def test_the_oldest_due_callback_is_found_among_all_lanes(owing: Owing) -> None:
    await owing.owe(FAST, at=NOON + MINUTE)
    await owing.owe(SLOW)

    assert await owing.outbox.oldest_due_at(NOON + DAY) == NOON
    assert await owing.outbox.oldest_due_at(NOON - DAY) is None


async def test_an_endpoint_that_has_only_failed_for_five_days_is_disabled(owing: Owing) -> None:
    await fail_for(owing, days=4)
    assert await owing.administration.endpoints(None, only_disabled=True) == []
    assert await owing.outbox.disabled_endpoint_count() == 0
    await fail_for(owing, days=5)

    (disabled,) = await owing.administration.endpoints("default", only_disabled=True)
    assert await owing.outbox.disabled_endpoint_count() == 1
    assert (disabled.endpoint, disabled.failing_since) == (SLOW, NOON)
    assert disabled.disabled_because == "It has only failed for 5 days."
    assert disabled.last_status_code == 503


async def test_what_is_owed_to_a_disabled_endpoint_is_given_up_once(owing: Owing) -> None:
    await owing.owe(SLOW, f"{SLOW}?x=1", FAST)
    room = HostCapacity(0, {("default", "slow.example.com"): 1})
    (gone,) = await owing.outbox.take_due(NOON, 10, 60, room)
    await end(owing, gone, 410, NOON)

    closed = await owing.outbox.close_disabled(NOON + MINUTE)
    again = await owing.outbox.close_disabled(NOON + MINUTE)

    assert [one.endpoint for one in closed] == [SLOW]
    assert closed[0].disabled_because == "It answered 410 Gone."
    assert again == []
    dead, waiting = await owing.all("dead"), await owing.all("pending")
    assert [one.url for one in waiting] == [FAST]
    assert len(dead) == 2
    assert str(dead[1].last_error).startswith(REFUSED)


async def test_a_new_callback_to_a_disabled_endpoint_is_dead_and_never_sent(owing: Owing) -> None:
    await owing.owe(SLOW)
    (gone,) = await owing.outbox.take_due(NOON, 1, 60)
    await end(owing, gone, 410, NOON)
    await owing.owe(f"{SLOW}?n=2", at=NOON + DAY)

    (refused,) = await owing.outbox.take_due(NOON + DAY, 10, 60)

    assert (refused.state, refused.attempt_count) == (CallbackState.DEAD, 0)
    assert refused.last_error == REFUSED
    assert (await owing.all("pending")) == []


async def test_a_replay_is_tried_though_disabled_and_its_success_enables(owing: Owing) -> None:
    await owing.owe(SLOW)
    (gone,) = await owing.outbox.take_due(NOON, 1, 60)
    await end(owing, gone, 410, NOON)
    assert await owing.outbox.replay("default", gone.callback_id)
    assert len(await owing.outbox.close_disabled(NOON)) == 1

    later = datetime.now(NOON.tzinfo) + DAY
    (probe,) = await owing.outbox.take_due(later, 10, 60)
    await end(owing, probe, 200, later)

    assert probe.callback_id == gone.callback_id
    assert await owing.administration.endpoints(None, only_disabled=False) == []
    assert [one.state for one in await owing.all()] == [CallbackState.DELIVERED]


async def test_a_replay_that_fails_leaves_the_endpoint_disabled(owing: Owing) -> None:
    await owing.owe(SLOW)
    (gone,) = await owing.outbox.take_due(NOON, 1, 60)
    await end(owing, gone, 410, NOON)
    await owing.outbox.replay("default", gone.callback_id)
    later = datetime.now(NOON.tzinfo) + 7 * DAY
    (probe,) = await owing.outbox.take_due(later, 10, 60)
    await end(owing, probe, 503, later)

    (again,) = await owing.outbox.take_due(later + DAY, 10, 60)

    assert again.state is CallbackState.DEAD
    assert len(await owing.administration.endpoints(None, only_disabled=True)) == 1


async def test_a_success_in_flight_counts_though_its_endpoint_was_closed(owing: Owing) -> None:
    await owing.owe(SLOW, SLOW)
    first, second = await owing.outbox.take_due(NOON, 2, 60)
    await end(owing, first, 410, NOON)
    await owing.outbox.close_disabled(NOON)
    await end(owing, second, 200, NOON)

    states = {one.callback_id: one.state for one in await owing.all()}
    assert states[second.callback_id] is CallbackState.DELIVERED
    assert await owing.administration.endpoints(None, only_disabled=False) == []


async def test_enabling_gives_an_endpoint_a_clean_slate_in_the_program_named(owing: Owing) -> None:
    for program in ("default", "other"):
        await owing.owe(SLOW, program=program)
    for one in await owing.outbox.take_due(NOON, 2, 60):
        await end(owing, one, 410, NOON)

    assert await owing.administration.enable("default", f"{SLOW}?any=query") == 1
    assert await owing.administration.enable("default", SLOW) == 0
    left = await owing.administration.endpoints(None, only_disabled=False)
    assert [one.program for one in left] == ["other"]
    assert await owing.administration.enable(None, SLOW) == 1


async def test_what_is_missing_here_speaks_against_no_endpoint(owing: Owing) -> None:
    await owing.owe(SLOW)
    (one,) = await owing.outbox.take_due(NOON, 1, 60)
    response = Response(error="No secret.", is_our_fault=True)
    await owing.outbox.record([verdict(one, response, NOON, 0.5)])

    assert await owing.administration.endpoints(None, only_disabled=False) == []
    assert [one.state for one in await owing.all()] == [CallbackState.PENDING]


async def test_each_attempt_is_in_the_delivery_log_until_it_is_pruned(owing: Owing) -> None:
    await owing.owe(SLOW)
    (first,) = await owing.outbox.take_due(NOON, 1, 60)
    await end(owing, first, 503, NOON + MINUTE, duration_milliseconds=1500)
    (second,) = await owing.outbox.take_due(NOON + DAY, 1, 60)
    await end(owing, second, 200, NOON + DAY, duration_milliseconds=20)

    log = await owing.administration.attempts([first.callback_id])
    assert [(one.attempt_count, one.status_code, one.error) for one in log] == [
        (1, 503, "No."),
        (2, 200, None),
    ]
    assert log[0].started_at == NOON + MINUTE - timedelta(milliseconds=1500)
    assert log[0].duration_milliseconds == 1500
    assert await owing.outbox.prune(NOON, 100) == 0
    assert await owing.outbox.prune(NOON + 2 * DAY, 1) == 1
    assert await owing.outbox.prune(NOON + 2 * DAY, 100) == 1
    assert await owing.administration.attempts([first.callback_id]) == []


async def test_failures_of_an_endpoint_are_forgotten_with_time_but_not_its_end(
    owing: Owing,
) -> None:
    await owing.owe(SLOW, FAST)
    for one in await owing.outbox.take_due(NOON, 2, 60):
        await end(owing, one, 410 if one.url == SLOW else 500, NOON)

    await owing.outbox.prune(NOON + DAY, 100)

    left = await owing.administration.endpoints(None, only_disabled=False)
    assert [one.endpoint for one in left] == [SLOW]


async def test_what_was_taken_and_not_tried_is_due_again_uncounted(owing: Owing) -> None:
    await owing.owe(SLOW)
    taken = await owing.outbox.take_due(NOON, 1, 60)
    await owing.outbox.give_back(taken, NOON)

    (again,) = await owing.outbox.take_due(NOON, 1, 60)
    assert again.attempt_count == 1


async def test_a_range_is_replayed_with_the_ids_it_had(owing: Owing) -> None:
    for day in range(4):
        await owing.owe(SLOW, f"{FAST}?day={day}", at=NOON + day * DAY)
    await owing.owe(SLOW, at=NOON + DAY, program="other")
    for one in await owing.outbox.take_due(NOON + 4 * DAY, 100, 60):
        await end(owing, one, 410 if "slow" in one.url else 200, NOON + 4 * DAY)
    before = {one.callback_id for one in await owing.all()}
    await owing.administration.enable(None, SLOW)

    one_day = CallbackSelection(NOON + DAY, NOON + 2 * DAY, program="default")
    assert await owing.administration.replay_selected(one_day) == 1
    assert await owing.administration.replay_selected(one_day) == 0
    rest = CallbackSelection(NOON, NOON + 9 * DAY, endpoint=SLOW)
    assert await owing.administration.replay_selected(rest) == 4
    done = CallbackSelection(NOON, NOON + 9 * DAY, CallbackState.DELIVERED)
    assert await owing.administration.replay_selected(done) == 4
    assert {one.callback_id for one in await owing.all("pending")} == before


async def test_one_callback_is_found_by_its_id(owing: Owing) -> None:
    await owing.owe(SLOW)
    (one,) = await owing.all()

    assert await owing.administration.find(one.callback_id) == one
    assert await owing.administration.find("cb_none") is None


@pytest.mark.database
async def test_workers_at_once_never_take_the_same_callback(database_url: str) -> None:
    pool = await open_pool(database_url, max_size=4)
    await pool.execute(
        "insert into callbacks (callback_id, program, transaction_id, url, body, next_attempt_at,"
        " created_at) select 'cb_' || n, 'default', 't' || n,"
        " 'https://h' || n % 7 || '.example.com/', '', $1, $1 from generate_series(1, 500) as n",
        NOON,
    )

    async def work() -> list[str]:
        outbox, taken = PostgresCallbackOutbox(pool), []
        while found := await outbox.take_due(NOON, 20, 60, HostCapacity(8)):
            taken += [one.callback_id for one in found]
        return taken

    shares = await asyncio.gather(*(work() for _ in range(4)))
    pool.terminate()

    ids = [one for share in shares for one in share]
    assert len(ids) == len(set(ids)) == 500
