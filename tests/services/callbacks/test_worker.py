"""The callback worker over a fake outbox: fairness, pace, stopping, failures."""

import asyncio
import itertools
import time
from typing import Any

import pytest
from typing_extensions import override

from cardops.rules.callbacks.callbacks import Callback, CallbackState
from cardops.rules.callbacks.secrets import secret_name
from cardops.services.callbacks.host_queues import MAX_CONCURRENT_CALLS, HostQueues, Pace
from tests.factories.authorizations import NOON
from tests.factories.callback_workers import CallbackWorld
from tests.factories.waiting import until
from tests.fakes.outbox import FakeCallbackOutbox
from tests.servers.partners import OK, a_partner, in_turn, responding


@pytest.fixture
def callback_world() -> CallbackWorld:
    return CallbackWorld()


async def test_hanging_partner_does_not_delay_others(callback_world: CallbackWorld) -> None:
    async with a_partner(responding(seconds=10)) as slow, a_partner() as prompt:
        hanging = callback_world.add_pending(slow.url, 500)
        others = callback_world.add_pending(prompt.url, 300)
        async with callback_world.worker() as worker:
            running = asyncio.create_task(worker.run())
            await until(
                lambda: callback_world.states(others) == {CallbackState.DELIVERED}, seconds=5
            )
            running.cancel()

    assert callback_world.states(hanging) == {CallbackState.PENDING}
    assert len(slow.requests) <= MAX_CONCURRENT_CALLS


async def test_many_hanging_partners_do_not_delay_others(callback_world: CallbackWorld) -> None:
    async with a_partner(responding(seconds=10)) as slow, a_partner() as prompt:
        waiting = [
            callback_id
            for number in range(20)
            for callback_id in callback_world.add_pending(slow.url, 50, program=f"p{number}")
        ]
        for number in range(20):
            callback_world.secrets.put(
                secret_name(f"p{number}"), callback_world.secrets.values["callbacks/default"]
            )
        others = callback_world.add_pending(prompt.url, 100)
        async with callback_world.worker() as worker:
            running = asyncio.create_task(worker.run())
            await until(
                lambda: callback_world.states(others) == {CallbackState.DELIVERED}, seconds=8
            )
            hanging, tried = callback_world.states(waiting), len(slow.requests)
            running.cancel()

    # The hanging partners had been called, otherwise nothing could have delayed the others.
    assert hanging == {CallbackState.PENDING}
    assert tried >= 20
    assert len(prompt.requests) == 100


async def test_few_callbacks_are_leased_for_an_unresponsive_partner(
    callback_world: CallbackWorld,
) -> None:
    async with a_partner(in_turn([responding(b"", keeps_open=False)])) as silent:
        ids = callback_world.add_pending(silent.url, 200)
        async with callback_world.worker() as worker:
            first = await worker.work_once()
            second = await worker.work_once()

    assert (first, second) == (32, 4)
    assert callback_world.states(ids) == {CallbackState.PENDING}


async def test_slow_call_does_not_delay_recording_of_other_results(
    callback_world: CallbackWorld,
) -> None:
    async with a_partner(responding(OK, seconds=2)) as slow, a_partner() as prompt:
        waiting, others = (
            callback_world.add_pending(slow.url),
            callback_world.add_pending(prompt.url),
        )
        async with callback_world.worker() as worker:
            running = asyncio.create_task(worker.run())
            await until(
                lambda: callback_world.states(others) == {CallbackState.DELIVERED}, seconds=1
            )
            before = callback_world.states(waiting)
            await until(
                lambda: callback_world.states(waiting) == {CallbackState.DELIVERED}, seconds=5
            )
            running.cancel()

    assert before == {CallbackState.PENDING}


async def test_concurrent_calls_to_one_host_are_limited(
    callback_world: CallbackWorld,
) -> None:
    in_flight, most = 0, 0

    async def respond(writer: asyncio.StreamWriter) -> bool:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.02)
        in_flight -= 1
        writer.write(OK)
        return True

    async with a_partner(respond) as partner:
        ids = callback_world.add_pending(partner.url, 400)
        async with callback_world.worker() as worker:
            while await worker.work_once():
                pass

    assert callback_world.states(ids) == {CallbackState.DELIVERED}
    assert most == MAX_CONCURRENT_CALLS


async def test_paced_worker_starts_few_calls_at_a_time(callback_world: CallbackWorld) -> None:
    pace, started = Pace(4, 0.05), []

    async def start() -> None:
        await pace.wait()
        started.append(time.monotonic())

    await asyncio.gather(*(start() for _ in range(12)))

    gaps = [later - earlier for earlier, later in itertools.pairwise(started)]
    assert [gap > 0.04 for gap in gaps] == ([False] * 3 + [True]) * 2 + [False] * 3
    async with a_partner() as partner:
        ids = callback_world.add_pending(partner.url, 100)
        async with callback_world.worker(Pace(4, 0.002)) as worker:
            while await worker.work_once():
                pass
    assert callback_world.states(ids) == {CallbackState.DELIVERED}


async def test_stop_finishes_calls_in_flight_and_releases_unstarted_ones(
    callback_world: CallbackWorld,
) -> None:
    async with a_partner(responding(OK, seconds=0.3)) as partner:
        first = callback_world.add_pending(partner.url)
        async with callback_world.sending():
            await until(lambda: callback_world.states(first) == {CallbackState.DELIVERED})
            callback_world.add_pending(partner.url, 100)
            await until(lambda: len(partner.requests) > MAX_CONCURRENT_CALLS)

    ended = list(callback_world.outbox.callbacks.values())
    delivered = [callback for callback in ended if callback.state is CallbackState.DELIVERED]
    rest = [callback for callback in ended if callback.state is CallbackState.PENDING]
    assert len(delivered) == len(partner.requests)
    assert rest
    assert {(callback.attempt_count, callback.next_attempt_at) for callback in rest} == {(0, NOON)}


async def test_missing_secret_affects_neither_other_programs_nor_the_endpoint(
    callback_world: CallbackWorld,
) -> None:
    async with a_partner() as partner:
        without = [
            *callback_world.add_pending(partner.url, program="broken"),
            *callback_world.add_pending(partner.url, program="garbled"),
            *callback_world.add_pending(partner.url, program="secretless"),
        ]
        others = callback_world.add_pending(partner.url)
        await callback_world.send_once()

    assert callback_world.states(others) == {CallbackState.DELIVERED}
    assert len(partner.requests) == 1
    errors = [
        callback_world.outbox.callbacks[callback_id].last_error or "" for callback_id in without
    ]
    assert "cannot be read" in errors[0]
    assert "vault" not in errors[0]
    assert "rotate-secret garbled" in errors[1]
    assert "no callback secret" in errors[2]
    assert callback_world.outbox.failing == {}


async def test_secrets_are_looked_up_once_for_many_callbacks(callback_world: CallbackWorld) -> None:
    async with a_partner() as partner:
        callback_world.add_pending(partner.url, 30)
        await callback_world.send_once()

    assert callback_world.secrets.read_count == 1


async def test_store_failure_loses_no_result_and_does_not_end_the_worker(
    callback_world: CallbackWorld,
) -> None:
    class Flaky(FakeCallbackOutbox):
        failures = 2

        @override
        async def record(self, results: Any) -> None:
            if self.failures:
                self.failures -= 1
                raise ConnectionError
            await super().record(results)

    callback_world.outbox = Flaky()
    async with a_partner() as partner:
        ids = callback_world.add_pending(partner.url, 3)
        await callback_world.send_once()

    assert callback_world.states(ids) == {CallbackState.DELIVERED}
    assert len(partner.requests) == 3


async def test_worker_retries_while_the_store_is_unavailable(
    callback_world: CallbackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unavailable(FakeCallbackOutbox):
        failures = 3

        @override
        async def lease_due(self, *arguments: Any) -> list[Callback]:
            if self.failures:
                self.failures -= 1
                raise ConnectionError
            return await super().lease_due(*arguments)

    monkeypatch.setattr("cardops.services.callbacks.worker.FAILED_SECONDS", 0.05)
    callback_world.outbox = Unavailable()
    async with a_partner() as partner:
        ids = callback_world.add_pending(partner.url)
        async with callback_world.sending():
            await until(lambda: callback_world.states(ids) == {CallbackState.DELIVERED})

    assert callback_world.outbox.failures == 0
    assert len(partner.requests) == 1


def test_host_queue_capacity_follows_its_behaviour() -> None:
    host_queues = HostQueues()
    key = ("default", "a.test")
    host_queue = host_queues.add(key)

    capacities = [host_queues.capacity().of(key)]
    for has_responded, seconds in ((True, 0.1), (True, 5.0), (False, 10.0), (True, 0.1)):
        host_queues.adapt(host_queue, has_responded=has_responded, seconds=seconds)
        capacities.append(host_queues.capacity().of(key))

    # One callback is in flight.
    assert capacities == [31, 127, 31, 3, 127]
    assert host_queues.capacity().of(("default", "b.test")) == 32


def test_idle_host_queues_are_forgotten_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cardops.services.callbacks.host_queues.MAX_REMEMBERED", 3)
    host_queues = HostQueues()
    busy = host_queues.add(("default", "busy.test"))
    for number in range(5):
        host_queues.remove(host_queues.add(("default", f"{number}.test")))

    assert host_queues.in_flight == 1
    assert len(host_queues.capacity().by_queue) <= 3
    assert host_queues.capacity().by_queue["default", "busy.test"] == busy.max_in_flight - 1
