"""kill -9 of authorizer, PostgreSQL and callback worker under load: no response is lost.

The authorizer and the worker use the embedded server themselves, and nobody else does: a killed
PostgreSQL is started again by one of the two, with no other command.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import connect, database
from cardops.adapters.secrets import FileSecretStore
from cardops.bootstrap import stop_unused_server
from cardops.rules.callbacks.secrets import secret_name, with_new_secret
from cardops.settings import Settings
from tests.factories.authorizations import NOON
from tests.factories.databases import new_home
from tests.factories.waiting import until, wait_until
from tests.oracles.histories import violations
from tests.oracles.ledger_totals import assert_books_add_up, rows
from tests.oracles.observed_events import ObservedEvents
from tests.oracles.recording import Call, Recorder
from tests.servers.authorizer_process import CLI, AuthorizerProcess, environment
from tests.servers.callback_sink import Sink, open_sink
from tests.servers.killable_credit import credit_users

pytestmark = pytest.mark.database

# Without a URL both processes use the embedded server of their home.
SETTINGS = {"CARDOPS_ALLOW_LOOPBACK_CALLBACKS": "true", "CARDOPS_DATABASE_URL": ""}
USERS = [f"user_{number}" for number in range(6)]
LOAD_SECONDS = 0.6
OK = 200
RECOVERY_SECONDS = 60  # on a busy machine; it takes less than a second


class KillableSystem:
    """A PostgreSQL server, an authorizer and a callback worker, each of which can be killed."""

    def __init__(self, url: str, home: Path, sink: Sink) -> None:
        self.url, self.home, self.sink = url, home, sink
        store = FileSecretStore(home / "secrets.json")
        store.put(secret_name("default"), with_new_secret(None, b"s" * 32, NOON)[1])
        self.api = AuthorizerProcess(url, home, SETTINGS)
        self.api.__enter__()
        self.worker = self.start_worker()
        self.calls: list[Call] = []
        self.files: dict[int, tuple[float, float]] = {}
        self.outages: list[float] = []

    def start_worker(self) -> "subprocess.Popen[bytes]":
        with (self.home / "worker.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", CLI, "callbacks", "run"],
                env=environment(self.url, self.home, SETTINGS),
                stdout=log,
                stderr=log,
            )

    def kill_authorizer(self) -> None:
        self.api.kill()

    def kill_postgres(self) -> None:
        """Kill the server's main process, or every second time all its processes at once."""
        self.killed = self.server_pid()
        children = Path(f"/proc/{self.killed}/task/{self.killed}/children").read_text().split()
        os.kill(self.killed, signal.SIGKILL)
        for child in children if len(self.outages) % 2 else []:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def server_pid(self) -> int:
        file = self.home / "postgres" / "cluster" / "data" / "postmaster.pid"
        pid = int(file.read_text().split("\n", 1)[0])
        assert pid > 1  # 0 would be the whole group of this process
        return pid

    def kill_worker(self) -> None:
        self.worker.kill()
        self.worker.wait()

    def restart(self, victim: str) -> None:
        if victim == "authorizer":
            self.api.start()
        elif victim == "worker":
            self.worker = self.start_worker()
        else:
            self.outages.append(self.wait_until_ready())

    def wait_until_ready(self) -> float:
        """Wait until the authorizer uses another server, without doing anything; returns seconds."""
        return wait_until(
            self._is_served_again, "the server's next start", seconds=RECOVERY_SECONDS
        )

    def _is_served_again(self) -> bool:
        try:
            is_another = self.server_pid() != self.killed
        except (FileNotFoundError, ValueError):  # it is just starting
            return False
        return is_another and self.api.call("GET", "/readyz", key=None).status == OK

    async def round(self, number: int, victim: str) -> None:
        """Run load, kill the victim in the middle of it, and start it again."""
        credited = time.monotonic()
        amounts = dict.fromkeys(USERS, 20_000)
        await asyncio.to_thread(credit_users, self.url, amounts, intake_id=number)
        self.files[number] = (credited, time.monotonic())
        recorder = Recorder(
            [self.api.port], self.api.key, USERS, seed=number, callback_url=self.sink.url
        )
        load = asyncio.create_task(recorder.run(1_000_000, connections=12))
        await until_served(recorder)
        await asyncio.sleep(LOAD_SECONDS + number % 7 / 10)
        await asyncio.to_thread(getattr(self, f"kill_{victim}"))
        if victim == "authorizer":
            recorder.stop()
            await load
        await asyncio.to_thread(self.restart, victim)
        if victim != "authorizer":
            await asyncio.sleep(LOAD_SECONDS)
            recorder.stop()
            await load
        assert any(call.status == OK for call in recorder.calls), "no request succeeded"
        self.calls += recorder.calls

    async def deliver_all(self) -> None:
        """End the leases of the killed worker and wait until every callback is delivered."""
        end = time.monotonic() + 60
        while rows(self.url, "select 1 from callbacks where state = 'pending' limit 1"):
            assert time.monotonic() < end, "callbacks are pending and not delivered"
            with connect(self.url) as session:
                session.execute(
                    "update callbacks set next_attempt_at = now() where state = 'pending'"
                    " and next_attempt_at > now() + interval '1 s'"
                )
            await asyncio.sleep(0.5)

    def stop(self) -> None:
        self.kill_worker()
        self.api.__exit__()


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CARDOPS_DATABASE_URL", "")
    with new_home() as path:
        yield path


@pytest.fixture
async def system(home: Path) -> AsyncIterator[KillableSystem]:
    async with open_sink() as sink:
        with database(Settings(home=home)) as addresses:
            killable = await asyncio.to_thread(KillableSystem, addresses.url, home, sink)
        try:
            yield killable
        finally:
            await asyncio.to_thread(killable.stop)
            stop_unused_server(Settings(home=home))


async def until_served(recorder: Recorder) -> None:
    """Wait for the first successful response: on a busy machine it takes longer than the load."""
    await until(lambda: any(call.status == OK for call in recorder.calls), "a successful response")


def assert_no_response_was_lost(system: KillableSystem) -> None:
    observed = ObservedEvents(system.url, system.calls, system.files)
    assert observed.errors == [], logged_failures(system.home)
    for user, events in observed.events.items():
        assert violations(events) == [], user
    assert_books_add_up(system.url)


def assert_every_callback_arrived(system: KillableSystem) -> None:
    callbacks = rows(
        system.url,
        "select c.callback_id, c.state, d.answer from decisions as d"
        " left join callbacks as c using (program, transaction_id)",
    )
    assert callbacks
    assert {callback_id for callback_id, *_ in callbacks} == set(system.sink.bodies)
    for callback_id, state, response in callbacks:
        assert state == "delivered"
        assert set(system.sink.bodies[callback_id]) == {response}


@pytest.mark.parametrize(
    "rounds", [1, pytest.param(20, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
async def test_kills_under_load_lose_no_response_and_no_callback(
    system: KillableSystem, rounds: int
) -> None:
    began = time.monotonic()
    for number in range(rounds):
        for index, victim in enumerate(["authorizer", "postgres", "worker"]):
            await system.round(3 * number + index + 1, victim)
        assert_no_response_was_lost(system)
        assert_recovery_was_told(system)
    await system.deliver_all()
    took = time.monotonic() - began
    outages = f"PostgreSQL was back in {min(system.outages):.1f} to {max(system.outages):.1f} s"
    print(f"{3 * rounds} kills, {len(system.calls)} calls in {took:.0f} s; {outages}")  # noqa: T201

    assert_no_response_was_lost(system)
    assert_every_callback_arrived(system)


def assert_recovery_was_told(system: KillableSystem) -> None:
    """The authorizer's metrics and log have the outage and its end."""
    metrics = system.api.call("GET", "/metrics", key=None).body.decode()
    assert "cardops_embedded_database_down 0.0" in metrics
    assert "cardops_embedded_database_outages 1.0" in metrics  # since this authorizer started
    log = system.home / "authorizer.log"
    wait_until(lambda: "runs again" in log.read_text(), "the log that says so")
    # Whichever process looked first started it; the others saw another server.
    said = log.read_text()
    assert "is gone: its process ended" in said or "was gone and runs again" in said


def logged_failures(home: Path) -> str:
    """The failures that the authorizer logged, to explain a failed assertion."""
    lines = (home / "authorizer.log").read_text().splitlines()
    return "\n".join(line for line in lines if "a request failed" in line)[-3000:]
