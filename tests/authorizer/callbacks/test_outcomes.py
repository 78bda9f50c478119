"""What an attempt at a callback leaves behind: results, log, leases, disabled endpoints."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from standardwebhooks import Webhook
from typing_extensions import override

from cardops.adapters.clock import SystemClock
from cardops.rules.callbacks.callbacks import Callback, CallbackResult, CallbackState
from tests.factories.authorizations import NOON
from tests.factories.callback_workers import Desk, until
from tests.fakes.outbox import FakeCallbackOutbox
from tests.servers.partners import a_partner, answering, in_turn


@pytest.fixture
def administration() -> Desk:
    return Desk()


async def test_results_that_end_together_are_written_together(administration: Desk) -> None:
    class Counting(FakeCallbackOutbox):
        groups: list[int]

        @override
        async def record(self, results: Any) -> None:
            self.groups.append(len(results))
            await asyncio.sleep(0.01)
            await super().record(results)

    administration.outbox = Counting()
    administration.outbox.groups = []
    async with a_partner() as partner:
        administration.owe(partner.url, 300)
        async with administration.worker() as worker:
            while await worker.work_once():
                pass

    assert sum(administration.outbox.groups) == 300
    assert len(administration.outbox.groups) < 150


async def test_a_disabled_endpoint_is_told_of_once_and_called_no_more(administration: Desk) -> None:
    gone = b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
    async with a_partner(answering(gone)) as partner:
        first = administration.owe(partner.url)
        async with administration.at_work():
            await until(lambda: administration.states(first) == {CallbackState.DEAD})
            later = administration.owe(f"{partner.url}?more=1", 5)
            await until(lambda: administration.states(later) == {CallbackState.DEAD})
        async with administration.at_work():
            await until(lambda: bool(administration.notifier.alarms))

    assert len(partner.requests) == 1
    ((subject, message, runbook),) = administration.notifier.alarms
    assert "program default" in subject
    assert f"{partner.url} of program default is disabled. It answered 410 Gone." in message
    assert runbook == "docs/runbooks/callbacks.md"


async def test_the_webhook_id_stays_and_the_signature_is_of_the_moment(
    administration: Desk,
) -> None:
    failed = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"
    now = SystemClock().now()
    administration.clock.at = now
    async with a_partner(in_turn([answering(failed), answering()])) as partner:
        (callback_id,) = administration.owe(partner.url, next_attempt_at=now)
        await administration.once()
        administration.clock.advance(seconds=30)
        await administration.once()

    (first, body), (second, _) = partner.requests
    assert first["webhook-id"] == second["webhook-id"] == callback_id
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 30
    for headers in (first, second):
        Webhook(administration.secrets.secret).verify(body, headers)


async def test_the_delivery_log_has_what_each_attempt_met(administration: Desk) -> None:
    unavailable = b"HTTP/1.1 503 4111111111111111\r\ncontent-length: 6\r\n\r\nsecret"
    async with a_partner(answering(unavailable, seconds=0.05)) as partner:
        (callback_id,) = administration.owe(partner.url)
        await administration.once()

    (line,) = await administration.outbox.attempts([callback_id])
    assert (line.attempt_count, line.status_code) == (1, 503)
    assert line.error == "The endpoint answered 503."
    assert 50 <= line.duration_milliseconds < 2000


async def test_a_lease_that_would_end_under_a_call_is_given_back_unused(
    administration: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authorizer.callbacks.worker.START_SECONDS", -1.0)
    async with a_partner() as partner:
        (callback_id,) = administration.owe(partner.url)
        await administration.once()

    held: Callback = administration.outbox.callbacks[callback_id]
    assert (held.attempt_count, held.state, partner.requests) == (0, CallbackState.PENDING, [])


def test_a_result_speaks_against_an_endpoint_unless_it_is_a_success_or_ours() -> None:
    result = CallbackResult("cb_1", 1, CallbackState.PENDING, NOON)

    assert result.is_failure_of_endpoint
    assert not replace(result, is_our_fault=True).is_failure_of_endpoint
    assert not replace(result, state=CallbackState.DELIVERED).is_failure_of_endpoint
