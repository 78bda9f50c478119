"""The processes of `cardops up`: their ports, and no process outlives the command."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardops.settings import Settings
from orchestration.cli.output import CommandError
from orchestration.local.guard import others_in
from orchestration.local.ports import choose_ports, is_free, write_ports
from orchestration.local.services import Service, services
from orchestration.local.supervisor import Supervisor
from tests.factories.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]

# Two services under the real supervisor; one of them has a child process.
PROGRAM = """
import sys
from pathlib import Path
from orchestration.local.services import Service
from orchestration.local.supervisor import StopRequest, Supervisor

PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {sys.argv[2]!r}]); time.sleep(600)"
stop_request = StopRequest()
stop_request.listen()
supervisor = Supervisor(Path(sys.argv[1]), {}, stop_request)
try:
    supervisor.start(
        [
            Service("quick", (sys.executable, "-c", "import time; time.sleep(600)")),
            Service("parent", (sys.executable, "-c", PARENT), needs=("quick",)),
        ]
    )
    print(supervisor._guard.pid, flush=True)
    supervisor.wait()
finally:
    supervisor.stop()
"""

DEADLINE_SECONDS = 240
CHILD = "import time; time.sleep(600)"
# It is killed only after the grace period, which is slow, so only one test uses it.
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {CHILD}"


@pytest.fixture
def supervised(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A running supervisor, and the process group of its services."""
    # With a database URL the guard has no embedded server to stop.
    environment = {**os.environ, "CARDOPS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), getattr(request, "param", CHILD)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    group = int(process.stdout.readline())
    wait_until(lambda: len(others_in(group)) >= 3, "the services", seconds=DEADLINE_SECONDS)
    yield process, group
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize(
    ("supervised", "ending"),
    [(CHILD, signal.SIGINT), (STUBBORN, signal.SIGKILL)],
    indirect=["supervised"],
    ids=["interrupted", "killed, with a child that ignores SIGTERM"],
)
def test_no_process_outlives_the_command(
    supervised: tuple[subprocess.Popen[str], int], ending: signal.Signals
) -> None:
    process, group = supervised

    process.send_signal(ending)
    process.wait(timeout=DEADLINE_SECONDS)
    wait_until(lambda: others_in(group) == [], "their end", seconds=DEADLINE_SECONDS)

    assert others_in(group) == [], "a service was started again"


def test_service_that_ends_by_itself_stops_the_others_and_is_named(
    supervised: tuple[subprocess.Popen[str], int],
) -> None:
    process, group = supervised
    members = [pid for pid in others_in(group) if pid != group]

    os.kill(min(members), signal.SIGKILL)

    assert process.wait(timeout=DEADLINE_SECONDS) != 0
    wait_until(lambda: others_in(group) == [], "their end", seconds=DEADLINE_SECONDS)


def test_service_that_nothing_needs_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.local.supervisor.RESTART_SECONDS", 0.5)
    started = tmp_path / "started"
    program = f"print('ended', file=open({str(started)!r}, 'a'))"
    services = [
        Service("needed", (sys.executable, "-c", CHILD)),
        Service("page", (sys.executable, "-c", program), is_essential=False),
    ]

    def is_started_thrice() -> bool:
        return started.exists() and len(started.read_text().splitlines()) == 3

    # With a database URL the guard has no embedded server to stop.
    environment = {"CARDOPS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    supervisor = Supervisor(tmp_path, environment, is_stopping=is_started_thrice)
    try:
        supervisor.start(services)
        supervisor.wait()
    finally:
        supervisor.stop()


def occupied_port() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def test_occupied_port_of_a_setting_is_refused() -> None:
    with occupied_port() as listener:
        port = listener.getsockname()[1]

        assert not is_free(port)
        with pytest.raises(CommandError, match="CARDOPS_UI_PORT"):
            choose_ports(Settings(ui_port=port))


def test_unset_port_is_the_next_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with occupied_port() as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr("orchestration.local.ports.DEFAULTS", {"ui": port, "authorizer": port})
        chosen = choose_ports(Settings())

    assert port not in chosen.values()
    assert len(set(chosen.values())) == 2


def test_ports_are_written_for_other_programs(tmp_path: Path) -> None:
    write_ports(tmp_path, {"ui": 1, "authorizer": 2, "sftp": 3})

    written = json.loads((tmp_path / "run" / "ports.json").read_text())
    assert written == {"ui": 1, "authorizer": 2, "sftp": 3}


def test_one_process_creates_dagsters_tables_before_others_open_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "run").mkdir()
    listed = services(tmp_path, {"ui": 1, "authorizer": 2, "sftp": 3, "dbt_docs": 4}, tmp_path)

    without_dagster = {"code", "sftp", "authorizer", "dbt_docs"}
    assert {
        service.name: service.needs for service in listed if service.name not in without_dagster
    } == {
        "ui": ("code",),
        "daemon": ("code",),
    }


def test_stop_request_ends_the_wait_for_services_that_never_get_ready(tmp_path: Path) -> None:
    never_ready = Service("slow", (sys.executable, "-c", CHILD), is_ready=lambda: False)
    checks = iter([False, False])
    supervisor = Supervisor(tmp_path, os.environ, is_stopping=lambda: next(checks, True))
    try:
        supervisor.start([never_ready])
        supervisor.wait()
    finally:
        supervisor.stop()

    assert next(checks, None) is None
