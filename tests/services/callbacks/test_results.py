"""Results of attempts: delivery log, leases, retries, disabled endpoints."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from standardwebhooks import Webhook
from typing_extensions import override

from cardops.adapters.clock import SystemClock
from cardops.rules.callbacks.callbacks import Callback, CallbackResult, CallbackState
from tests.factories.authorizations import NOON
from tests.factories.callback_workers import CallbackWorld
from tests.factories.waiting import until
from tests.fakes.outbox import FakeCallbackOutbox
from tests.servers.partners import a_partner, in_turn, responding


@pytest.fixture
def callback_world() -> CallbackWorld:
    return CallbackWorld()


async def test_results_that_end_together_are_stored_together(callback_world: CallbackWorld) -> None:
    class Counting(FakeCallbackOutbox):
        groups: list[int]

        @override
        async def record(self, results: Any) -> None:
            self.groups.append(len(results))
            await asyncio.sleep(0.01)
            await super().record(results)

    callback_world.outbox = Counting()
    callback_world.outbox.groups = []
    async with a_partner() as partner:
        callback_world.add_pending(partner.url, 300)
        async with callback_world.worker() as worker:
            while await worker.work_once():
                pass

    assert sum(callback_world.outbox.groups) == 300
    assert len(callback_world.outbox.groups) < 150


async def test_disabled_endpoint_raises_one_alarm_and_is_not_called_again(
    callback_world: CallbackWorld,
) -> None:
    gone = b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
    async with a_partner(responding(gone)) as partner:
        first = callback_world.add_pending(partner.url)
        async with callback_world.sending():
            await until(lambda: callback_world.states(first) == {CallbackState.DEAD})
            later = callback_world.add_pending(f"{partner.url}?more=1", 5)
            await until(lambda: callback_world.states(later) == {CallbackState.DEAD})
        async with callback_world.sending():
            await until(lambda: bool(callback_world.notifier.alarms))

    assert len(partner.requests) == 1
    ((subject, message, runbook),) = callback_world.notifier.alarms
    assert "program default" in subject
    assert f"{partner.url} of program default is disabled. It answered 410 Gone." in message
    assert runbook == "docs/runbooks/callbacks.md"


async def test_retry_keeps_the_webhook_id_and_is_signed_anew(
    callback_world: CallbackWorld,
) -> None:
    failed = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"
    now = SystemClock().now()
    callback_world.clock.at = now
    async with a_partner(in_turn([responding(failed), responding()])) as partner:
        (callback_id,) = callback_world.add_pending(partner.url, next_attempt_at=now)
        await callback_world.send_once()
        callback_world.clock.advance(seconds=30)
        await callback_world.send_once()

    (first, body), (second, _) = partner.requests
    assert first["webhook-id"] == second["webhook-id"] == callback_id
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 30
    for headers in (first, second):
        Webhook(callback_world.secrets.secret).verify(body, headers)


async def test_delivery_log_has_status_error_and_duration_of_each_attempt(
    callback_world: CallbackWorld,
) -> None:
    unavailable = b"HTTP/1.1 503 4111111111111111\r\ncontent-length: 6\r\n\r\nsecret"
    async with a_partner(responding(unavailable, seconds=0.05)) as partner:
        (callback_id,) = callback_world.add_pending(partner.url)
        await callback_world.send_once()

    (attempt,) = await callback_world.outbox.attempts([callback_id])
    assert (attempt.attempt_count, attempt.status_code) == (1, 503)
    assert attempt.error == "The endpoint answered 503."
    assert 50 <= attempt.duration_milliseconds < 2000


async def test_callback_is_released_when_its_lease_could_expire_during_the_call(
    callback_world: CallbackWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cardops.services.callbacks.worker.START_SECONDS", -1.0)
    async with a_partner() as partner:
        (callback_id,) = callback_world.add_pending(partner.url)
        await callback_world.send_once()

    stored: Callback = callback_world.outbox.callbacks[callback_id]
    assert (stored.attempt_count, stored.state, partner.requests) == (0, CallbackState.PENDING, [])


def test_only_failures_of_the_endpoint_itself_count_against_it() -> None:
    result = CallbackResult("cb_1", 1, CallbackState.PENDING, NOON)

    assert result.is_endpoint_failure
    assert not replace(result, is_local_failure=True).is_endpoint_failure
    assert not replace(result, state=CallbackState.DELIVERED).is_endpoint_failure
