"""`cardops callbacks` as processes: stopped, killed, concurrent, and their output."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.incidents import PostgresIncidents
from cardops.adapters.secrets import FileSecretStore
from cardops.rules.callbacks.secrets import secret_name, with_new_secret
from cardops.settings import Settings
from orchestration.cli.checkup import Finding, findings
from tests.factories.authorizations import NOON
from tests.factories.waiting import wait_until
from tests.servers.authorizer_process import CLI, environment
from tests.servers.warm_command import WarmProcess, command

pytestmark = pytest.mark.database

SETTINGS = {"CARDOPS_ALLOW_LOOPBACK_CALLBACKS": "true"}
TIMEOUT_SECONDS = 240


class Sink(ThreadingHTTPServer):
    """A partner's endpoint: it responds with `status` after `seconds`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SinkHandler)
        self.ids: list[str] = []
        self.arrived = threading.Semaphore(0)
        self.seconds = 0.0
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class SinkHandler(BaseHTTPRequestHandler):
    server: Sink
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.ids.append(self.headers["webhook-id"])
        self.server.arrived.release()
        time.sleep(self.server.seconds)
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    @override
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def sink() -> Iterator[Sink]:
    server = Sink()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class World:
    """A database with pending callbacks, and a home with a secret."""

    def __init__(self, url: str, home: Path) -> None:
        self.url, self.home = url, home
        store = FileSecretStore(home / "secrets.json")
        store.put(secret_name("default"), with_new_secret(None, b"s" * 32, NOON)[1])

    def add_pending(self, url: str, count: int = 1) -> None:
        self.query(
            "insert into callbacks (callback_id, program, transaction_id, url, is_test, body,"
            " next_attempt_at, created_at) select 'cb_'"
            " || lpad(to_hex((extract(epoch from now()) * 1000000)::bigint), 16, '0') || n,"
            " 'default', 't' || (n + m), %s, true, '{}', now(), now()"
            " from generate_series(1, %s) as n, (select count(*) as m from callbacks) as c",
            url,
            count,
        )

    def query(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        with connect(self.url) as session:
            cursor = session.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    def states(self) -> dict[str, int]:
        return dict(self.query("select state, count(*) from callbacks group by state"))

    def alarms(self) -> Sequence[str]:
        """Keys of those that are open."""
        return PostgresIncidents(self.url).open_keys("")

    def command(self, *arguments: str, code: int = 0) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        process = WarmProcess(
            environment(self.url, self.home, SETTINGS), self.home, TIMEOUT_SECONDS
        )
        return process.run(command, "callbacks", *arguments)

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        with (self.home / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", CLI, "callbacks", "run", "--json"],
                env=environment(self.url, self.home, SETTINGS),
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> World:
    return World(database_url, tmp_path)


def doctor(world: World) -> Finding:
    """The finding of `cardops doctor` about callbacks."""
    settings = Settings(home=world.home, database_url=world.url)
    return next(finding for finding in findings(settings) if finding.part == "callbacks")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_worker_finishes_its_calls(
    world: World, sink: Sink, number: signal.Signals
) -> None:
    sink.seconds = 1.0
    world.add_pending(sink.url)
    with world.worker() as process:
        assert sink.arrived.acquire(timeout=240)
        process.send_signal(number)
        output, _ = process.communicate(timeout=240)

    assert process.returncode == 0
    assert json.loads(output) == {"attempts": 1}
    assert world.states() == {"delivered": 1}


def test_concurrent_workers_send_each_callback_once(world: World, sink: Sink) -> None:
    world.add_pending(sink.url, 600)
    sink.seconds = 0.02
    with world.worker(), world.worker(), world.worker():
        wait_until(lambda: world.states() == {"delivered": 600}, "600 callbacks")

    assert len(sink.ids) == 600
    assert max(Counter(sink.ids).values()) == 1


def test_callbacks_of_a_killed_worker_are_due_when_their_leases_expire(
    world: World, sink: Sink
) -> None:
    sink.seconds = 30.0
    world.add_pending(sink.url, 3)
    with world.worker() as process:
        for _ in range(3):
            assert sink.arrived.acquire(timeout=240)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    sink.seconds = 0.0

    assert world.command("run", "--once") == {"attempts": 0}
    leases = world.query("select next_attempt_at - now() <= '60 s' from callbacks")
    world.query("update callbacks set next_attempt_at = next_attempt_at - interval '60 s'")
    assert world.command("run", "--once") == {"attempts": 3}

    assert leases == [(True,)] * 3
    assert world.states() == {"delivered": 3}
    assert sorted(Counter(sink.ids).values()) == [2, 2, 2]


def test_alarm_of_a_disabled_endpoint_ends_when_it_is_enabled(world: World, sink: Sink) -> None:
    sink.status = 410
    world.add_pending(sink.url)
    world.add_pending(f"{sink.url}/other")
    world.command("run", "--once")
    world.command("run", "--once")
    keys = [f"callback-endpoint:default/{url}" for url in (sink.url, f"{sink.url}/other")]
    assert world.alarms() == keys, "each is told of"

    world.command("enable", f"{sink.url}?two=2")
    assert world.alarms() == keys[1:]
    world.command("enable", f"{sink.url}/other", "--program", "default")
    assert world.alarms() == []


def test_disabled_endpoint_is_listed_enabled_and_its_callbacks_replayed(
    world: World, sink: Sink
) -> None:
    sink.status = 410
    world.add_pending(sink.url)
    world.command("run", "--once")
    world.add_pending(f"{sink.url}?two=2", 2)
    world.command("run", "--once")

    unhealthy = doctor(world)
    listed = world.command("list", "--attempts", code=1)
    (endpoint,) = world.command("endpoints", code=1)["data"]
    alarms = [json.loads(line) for line in (world.home / "alarms.jsonl").read_text().splitlines()]
    replayed_too_early = world.command("replay", "--since", "2026-01-01")
    world.command("run", "--once")
    sink.status = 200
    enabled = world.command("enable", sink.url, "--program", "default")
    replayed = world.command("replay", "--since", "2026-01-01", "--endpoint", sink.url)
    world.command("run", "--once")
    shown = world.command("show", listed["data"][-1]["id"])

    assert (unhealthy.ok, unhealthy.message.partition(" and ")[0]) == (
        False,
        "1 callback endpoints are disabled",
    )
    assert doctor(world).ok
    assert [len(callback["log"]) for callback in listed["data"]] == [0, 0, 1]
    assert listed["disabled_endpoints"] == 1
    assert "Endpoint disabled" in listed["data"][0]["last_error"]
    assert (endpoint["endpoint"], endpoint["failures"]) == (sink.url, 1)
    assert endpoint["disabled_because"] == "It answered 410 Gone."
    assert [sink.url in alarm["message"] for alarm in alarms] == [True]
    assert replayed_too_early == {"replayed": 3, "disabled_endpoints": 1}
    assert enabled == {"endpoint": sink.url, "programs": 1}
    assert replayed == {"replayed": 3, "disabled_endpoints": 0}
    assert world.states() == {"delivered": 3}
    assert [attempt["status_code"] for attempt in shown["log"]] == [410, 200]
    assert Counter(sink.ids).most_common(1) == [(shown["id"], 2)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay"], "Name one callback by its id, or a range"),
        (["replay", "cb_1", "--since", "2026-11-20"], "Name one callback by its id, or a range"),
        (["replay", "--since", "yesterday"], "yesterday is not a date or an instant"),
        (["replay", "--since", "2026-11-20", "--status", "lost"], "--status is pending"),
        (["show", "cb_none"], "There is no callback cb_none"),
        (["enable", "https://x.example.com/"], "is failing or disabled"),
    ],
)
def test_impossible_callback_command_fails_with_one_sentence(
    world: World, arguments: list[str], words: str
) -> None:
    done = world.run(*arguments)

    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
