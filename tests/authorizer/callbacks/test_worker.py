"""The callback worker over a fake outbox: who waits for whom, and what stops nobody."""

import asyncio
import itertools
import time
from typing import Any

import pytest
from typing_extensions import override

from authorizer.callbacks.host_queues import MAX_AT_ONCE, HostQueues, Pace
from authorizer.callbacks.worker import CallbackWorker
from cardops.rules.callbacks.callbacks import Callback, CallbackState
from cardops.rules.callbacks.secrets import secret_name
from tests.factories.authorizations import NOON
from tests.factories.callback_workers import Desk, until
from tests.fakes.outbox import FakeCallbackOutbox
from tests.servers.partners import OK, a_partner, answering, in_turn


@pytest.fixture
def administration() -> Desk:
    return Desk()


async def test_a_partner_that_hangs_holds_up_nobody_else(administration: Desk) -> None:
    async with a_partner(answering(seconds=10)) as slow, a_partner() as well:
        hanging = administration.owe(slow.url, 500)
        others = administration.owe(well.url, 300)
        worker = administration.worker()
        async with worker:
            running = asyncio.create_task(worker.run())
            await until(
                lambda: administration.states(others) == {CallbackState.DELIVERED}, seconds=5
            )
            running.cancel()

    assert administration.states(hanging) == {CallbackState.PENDING}
    assert len(slow.requests) <= MAX_AT_ONCE


async def test_many_partners_that_hang_hold_up_nobody_else(administration: Desk) -> None:
    async with a_partner(answering(seconds=10)) as slow, a_partner() as well:
        waiting = [
            one
            for number in range(20)
            for one in administration.owe(slow.url, 50, program=f"p{number}")
        ]
        for number in range(20):
            administration.secrets.put(
                secret_name(f"p{number}"), administration.secrets.values["callbacks/default"]
            )
        others = administration.owe(well.url, 100)
        worker = administration.worker()
        async with worker:
            running = asyncio.create_task(worker.run())
            await until(
                lambda: administration.states(others) == {CallbackState.DELIVERED}, seconds=8
            )
            hanging, tried = administration.states(waiting), len(slow.requests)
            running.cancel()

    # They had been asked, and hung: else the others would not have had to pass anybody.
    assert hanging == {CallbackState.PENDING}
    assert tried >= 20
    assert len(well.requests) == 100


async def test_of_a_partner_that_does_not_answer_little_is_taken(administration: Desk) -> None:
    async with a_partner(in_turn([answering(b"", keeps=False)])) as silent:
        ids = administration.owe(silent.url, 200)
        async with administration.worker() as worker:
            first = await worker.work_once()
            second = await worker.work_once()

    assert (first, second) == (32, 4)
    assert administration.states(ids) == {CallbackState.PENDING}


async def test_a_slow_call_keeps_nobodys_success_from_the_books(administration: Desk) -> None:
    async with a_partner(answering(OK, seconds=2)) as slow, a_partner() as well:
        waiting, others = administration.owe(slow.url), administration.owe(well.url)
        async with administration.worker() as worker:
            running = asyncio.create_task(worker.run())
            await until(
                lambda: administration.states(others) == {CallbackState.DELIVERED}, seconds=1
            )
            before = administration.states(waiting)
            await until(
                lambda: administration.states(waiting) == {CallbackState.DELIVERED}, seconds=5
            )
            running.cancel()

    assert before == {CallbackState.PENDING}


async def test_no_more_calls_are_under_way_to_one_host_than_are_allowed(
    administration: Desk,
) -> None:
    under_way, most = 0, 0

    async def response(writer: asyncio.StreamWriter) -> bool:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        writer.write(OK)
        return True

    async with a_partner(response) as partner:
        ids = administration.owe(partner.url, 400)
        async with administration.worker() as worker:
            while await worker.work_once():
                pass

    assert administration.states(ids) == {CallbackState.DELIVERED}
    assert most == MAX_AT_ONCE


async def test_a_worker_beside_decisions_begins_few_calls_at_a_time(administration: Desk) -> None:
    pace, begun = Pace(4, 0.05), []

    async def begin() -> None:
        await pace.turn()
        begun.append(time.monotonic())

    await asyncio.gather(*(begin() for _ in range(12)))

    gaps = [later - earlier for earlier, later in itertools.pairwise(begun)]
    assert [gap > 0.04 for gap in gaps] == ([False] * 3 + [True]) * 2 + [False] * 3
    async with a_partner() as partner:
        ids = administration.owe(partner.url, 100)
        worker = CallbackWorker(
            administration.outbox,
            administration.secrets,
            administration.clock,
            allow_loopback=True,
            pace=Pace(4, 0.002),
        )
        async with worker:
            while await worker.work_once():
                pass
    assert administration.states(ids) == {CallbackState.DELIVERED}


async def test_stopping_lets_calls_end_and_gives_back_what_was_not_started(
    administration: Desk,
) -> None:
    async with a_partner(answering(OK, seconds=0.3)) as partner:
        first = administration.owe(partner.url)
        async with administration.at_work():
            await until(lambda: administration.states(first) == {CallbackState.DELIVERED})
            administration.owe(partner.url, 100)
            await until(lambda: len(partner.requests) > MAX_AT_ONCE)

    ended = list(administration.outbox.callbacks.values())
    delivered = [one for one in ended if one.state is CallbackState.DELIVERED]
    rest = [one for one in ended if one.state is CallbackState.PENDING]
    assert len(delivered) == len(partner.requests)
    assert rest
    assert {(one.attempt_count, one.next_attempt_at) for one in rest} == {(0, NOON)}


async def test_what_a_program_lacks_here_stops_neither_others_nor_its_endpoint(
    administration: Desk,
) -> None:
    async with a_partner() as partner:
        without = [
            *administration.owe(partner.url, program="broken"),
            *administration.owe(partner.url, program="garbled"),
            *administration.owe(partner.url, program="secretless"),
        ]
        others = administration.owe(partner.url)
        await administration.once()

    assert administration.states(others) == {CallbackState.DELIVERED}
    assert len(partner.requests) == 1
    told = [administration.outbox.callbacks[one].last_error or "" for one in without]
    assert "cannot be read" in told[0]
    assert "vault" not in told[0]
    assert "rotate-secret garbled" in told[1]
    assert "no callback secret" in told[2]
    assert administration.outbox.failing == {}


async def test_secrets_are_looked_up_once_for_many_callbacks(administration: Desk) -> None:
    async with a_partner() as partner:
        administration.owe(partner.url, 30)
        await administration.once()

    assert administration.secrets.asked == 1


async def test_a_failure_of_the_store_ends_neither_the_worker_nor_a_result(
    administration: Desk,
) -> None:
    class Flaky(FakeCallbackOutbox):
        failures = 2

        @override
        async def record(self, results: Any) -> None:
            if self.failures:
                self.failures -= 1
                raise ConnectionError
            await super().record(results)

    administration.outbox = Flaky()
    async with a_partner() as partner:
        ids = administration.owe(partner.url, 3)
        await administration.once()

    assert administration.states(ids) == {CallbackState.DELIVERED}
    assert len(partner.requests) == 3


async def test_a_store_that_is_away_for_a_while_is_asked_again(
    administration: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(FakeCallbackOutbox):
        failures = 3

        @override
        async def take_due(self, *arguments: Any) -> list[Callback]:
            if self.failures:
                self.failures -= 1
                raise ConnectionError
            return await super().take_due(*arguments)

    monkeypatch.setattr("authorizer.callbacks.worker.FAILED_SECONDS", 0.05)
    administration.outbox = Away()
    async with a_partner() as partner:
        ids = administration.owe(partner.url)
        async with administration.at_work():
            await until(lambda: administration.states(ids) == {CallbackState.DELIVERED})

    assert administration.outbox.failures == 0
    assert len(partner.requests) == 1


def test_room_follows_how_a_lane_has_behaved() -> None:
    host_queues = HostQueues()
    host_queue = ("default", "a.test")
    one = host_queues.enter(host_queue)

    found = [host_queues.room().of(host_queue)]
    for has_answered, seconds in ((True, 0.1), (True, 5.0), (False, 10.0), (True, 0.1)):
        host_queues.learn(one, has_answered=has_answered, seconds=seconds)
        found.append(host_queues.room().of(host_queue))

    # One of each is in hand.
    assert found == [31, 127, 31, 3, 127]
    assert host_queues.room().of(("default", "b.test")) == 32


def test_lanes_that_are_idle_are_forgotten_where_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("authorizer.callbacks.host_queues.MAX_REMEMBERED", 3)
    host_queues = HostQueues()
    busy = host_queues.enter(("default", "busy.test"))
    for number in range(5):
        host_queues.leave(host_queues.enter(("default", f"{number}.test")))

    assert host_queues.in_hand == 1
    assert len(host_queues.room().known) <= 3
    assert host_queues.room().known["default", "busy.test"] == busy.room - 1
