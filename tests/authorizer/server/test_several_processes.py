"""Two authorizers, a bulk deposit load and a callback worker over one database, at once."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.secrets import FileSecretStore
from cardops.rules.callbacks.secrets import secret_name, with_new_secret
from tests.factories.authorizations import NOON
from tests.factories.waiting import until
from tests.oracles.histories import violations
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.oracles.observed_events import ObservedEvents
from tests.oracles.recording import Recorder
from tests.servers.authorizer_process import CLI, AuthorizerProcess, environment
from tests.servers.callback_sink import Sink, open_sink
from tests.servers.keep_alive import KeepAlive, Response
from tests.servers.killable_credit import credit_users, start_crediting
from tests.servers.starvation import Starvation

pytestmark = pytest.mark.database

SETTINGS = {"CARDOPS_ALLOW_LOOPBACK_CALLBACKS": "true"}


def a_body(name: str, amount: str = "1.00", **fields: object) -> dict[str, object]:
    return {"transaction_id": name, "user_id": "user_1", "amount": amount, **fields}


class TwoProcesses:
    """Two processes on one database, and one client for each."""

    def __init__(self, url: str, first: AuthorizerProcess, second: AuthorizerProcess) -> None:
        self.url, self.first, self.second = url, first, second
        self.first_client = KeepAlive(first.port, first.key)
        self.second_client = KeepAlive(second.port, first.key)

    async def race(self, first: object, second: object) -> tuple[Response, Response]:
        return await asyncio.gather(
            self.first_client.authorize(first), self.second_client.authorize(second)
        )


@pytest.fixture
async def two(database_url: str, tmp_path: Path) -> AsyncIterator[TwoProcesses]:
    with ExitStack() as stack:
        first = stack.enter_context(AuthorizerProcess(database_url, tmp_path, SETTINGS))
        second = stack.enter_context(first.second_process())
        processes = TwoProcesses(database_url, first, second)
        yield processes
        await processes.first_client.close()
        await processes.second_client.close()


async def test_one_request_sent_to_two_processes_is_decided_once(two: TwoProcesses) -> None:
    credit_users(two.url, {"user_1": 1000})
    for number in range(40):
        body = a_body(f"t{number}")
        first, second = await two.race(body, body)

        assert (first.status, second.status) == (200, 200)
        assert first.body == second.body
        assert sorted((first.is_replayed, second.is_replayed)) == [False, True]
    assert_books_add_up(two.url)
    assert rows(two.url, "select available_minor, ledger_seq from accounts") == [(0, 11)]


async def test_conflicting_requests_at_two_processes_decide_one(
    two: TwoProcesses,
) -> None:
    # Different users, so that no account lock orders the two requests.
    credit_users(two.url, {"user_1": 10_000, "user_2": 10_000})
    for number in range(40):
        bodies = [a_body(f"t{number}"), a_body(f"t{number}", user_id="user_2")]
        replies = await two.race(*bodies)

        assert sorted(reply.status for reply in replies) == [200, 422]
        winner = next(index for index, reply in enumerate(replies) if reply.status == 200)
        again, refused = await two.race(bodies[winner], bodies[1 - winner])
        assert (again.body, again.is_replayed) == (replies[winner].body, True)
        assert refused.json["type"] == "/problems/idempotency-mismatch"
    assert_books_add_up(two.url)
    assert rows(two.url, "select sum(available_minor)::bigint from accounts") == [(16_000,)]


async def test_replay_is_identical_whatever_happened_since(two: TwoProcesses) -> None:
    rejected = await two.first_client.authorize(a_body("t1"))
    credit_users(two.url, {"user_1": 10_000})
    held = await two.first_client.authorize(a_body("t2", capture=False))
    captured = await two.second_client.call("POST", "/v1/authorizations/t2/capture", {})
    with connect(two.url) as session:
        session.execute("update decisions set decided_at = decided_at - interval '5 years'")

    again = [
        await two.second_client.authorize(a_body("t1")),
        await two.second_client.authorize(a_body("t2", capture=False)),
    ]
    recaptured = await two.first_client.call("POST", "/v1/authorizations/t2/capture", {})

    assert [reply.body for reply in again] == [rejected.body, held.body]
    assert all(reply.is_replayed for reply in [*again, recaptured])
    assert recaptured.body == captured.body


async def test_stalled_database_is_503_in_time_and_a_retry_is_decided(two: TwoProcesses) -> None:
    credit_users(two.url, {"user_1": 10_000, "user_2": 10_000})
    # Warm up both: a process that has just started still imports its adapters.
    assert (await two.first_client.authorize(a_body("warm"))).status == 200
    assert (await two.second_client.authorize(a_body("warm-2", user_id="user_2"))).status == 200
    with connect(two.url, autocommit=False) as session:
        session.execute("select from accounts where user_id = 'user_1' for update")
        began = time.monotonic()
        stalled = asyncio.create_task(two.first_client.authorize(a_body("t1")))
        starved = Starvation(two.first.process.pid)
        await asyncio.sleep(0.2)
        # A request for another user at the other process does not wait.
        free = await two.second_client.authorize(a_body("t2", user_id="user_2"))
        did_not_wait = not stalled.done()
        reply = await stalled
        waited = time.monotonic() - began
        waited_for_others = starved.seconds()
        session.rollback()
    again = await two.first_client.authorize(a_body("t1"))

    assert (free.status, did_not_wait) == (200, True)
    assert reply.status == 503
    assert b"\r\nretry-after:" in reply.head.lower()
    assert 2.0 < waited < 4.0 + waited_for_others
    assert again.status == 200
    assert rows(two.url, "select answer from decisions where transaction_id = 't1'") == [
        (again.body,)
    ]
    assert_books_add_up(two.url)


async def test_credit_load_two_authorizers_and_a_worker_add_up(
    two: TwoProcesses, database_url: str, tmp_path: Path
) -> None:
    store = FileSecretStore(tmp_path / "secrets.json")
    store.put(secret_name("default"), with_new_secret(None, b"s" * 32, NOON)[1])
    users = [f"user_{number}" for number in range(40)]
    async with open_sink() as sink:
        worker = start_worker(database_url, tmp_path)
        loading = start_crediting(database_url, 1, rows=4_000, users=40)
        recorder = Recorder(
            [two.first.port, two.second.port], two.first.key, users, callback_url=sink.url
        )
        began = time.monotonic()
        load = asyncio.create_task(recorder.run(1_000_000, connections=16))
        assert await asyncio.to_thread(loading.wait, 240) == 0
        ended = time.monotonic()
        recorder.stop()
        await load
        await until_delivered(database_url, sink)
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 240) == 0

    assert {call.status for call in recorder.calls} <= {200, 404, 409, 422}
    # Users are unknown before their first deposit and can spend after it.
    reasons = {json.loads(call.body).get("reason_code") for call in recorder.calls if call.body}
    assert {"unknown_user", "sufficient_credit"} <= reasons
    observed = ObservedEvents(database_url, recorder.calls, {1: (began - 30, ended)})
    assert observed.errors == []
    for user, events in observed.events.items():
        assert violations(events) == [], user
    credited = "select sum(amount_minor)::bigint, count(*) from deposit_events"
    assert rows(database_url, credited) == [(3_600 * 500, 3_600)]
    assert_books_add_up(database_url)


def start_worker(url: str, home: Path) -> "subprocess.Popen[bytes]":
    with (home / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", CLI, "callbacks", "run"],
            env=environment(url, home, SETTINGS),
            stdout=log,
            stderr=log,
        )


async def until_delivered(url: str, sink: Sink) -> None:
    pending = "select 1 from callbacks where state = 'pending' limit 1"
    await until(lambda: not rows(url, pending), "the callbacks", seconds=30)
    callbacks = rows(
        url,
        "select c.callback_id, d.answer from decisions as d"
        " left join callbacks as c using (program, transaction_id)",
    )
    assert {callback_id: {response} for callback_id, response in callbacks} == {
        callback_id: set(bodies) for callback_id, bodies in sink.bodies.items()
    }
