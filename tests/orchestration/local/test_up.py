"""The processes of `cardops up`: their ports, and no process outlives the command."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cardops.settings import Settings
from orchestration.cli.commands.up import _show, addresses, require_begun
from orchestration.cli.output import CommandError
from orchestration.local.guard import others_in
from orchestration.local.ports import claimed_ports, is_free, write_ports
from orchestration.local.services import Service, services
from orchestration.local.supervisor import MAX_ENDS, Supervisor
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
# With a database URL the guard has no embedded server to stop.
WITHOUT_SERVER = {"CARDOPS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
# Whatever the process that runs the tests does with signals, which a child inherits.
CHILD = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_DFL);"
    " signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM]); time.sleep(600)"
)
# It is killed only after the grace period, which is slow, so only one test uses it.
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@pytest.fixture
def supervised(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A running supervisor, and the process group of its services."""
    environment = {**os.environ, **WITHOUT_SERVER}
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


def test_service_that_ends_before_it_was_ready_stops_the_others_and_is_named(
    tmp_path: Path,
) -> None:
    other = Service("other", (sys.executable, "-c", CHILD), lambda: False)
    ending = Service("ending", (sys.executable, "-c", "print('why'); exit(3)"), lambda: False)
    supervisor = Supervisor(tmp_path, WITHOUT_SERVER)
    try:
        with pytest.raises(CommandError, match=r"(?s)ending process ended.*exit code 3.*why"):
            supervisor.start([other, ending])
    finally:
        supervisor.stop()


class Starts:
    """Services that write down each start, and how many there were when the watch ends."""

    def __init__(self, folder: Path, **ends: str) -> None:
        self.folder = folder
        self.ends = ends

    def service(self, name: str, **options: Any) -> Service:
        file = str(self.folder / f"{name}.starts")
        program = (
            f"print('started', file=open({file!r}, 'a'), flush=True)\n{self.ends.get(name, CHILD)}"
        )
        return Service(
            name, (sys.executable, "-c", program), lambda: self.is_ready(name), **options
        )

    def is_ready(self, name: str) -> bool:
        is_started = self.count(name) > 0
        if is_started:
            (self.folder / f"{name}.ready").touch()
        return is_started

    def count(self, name: str) -> int:
        file = self.folder / f"{name}.starts"
        return len(file.read_text().splitlines()) if file.exists() else 0


def watch(supervisor: Supervisor, services: list[Service]) -> None:
    try:
        supervisor.start(services)
        supervisor.wait()
    finally:
        supervisor.stop()


def test_service_that_ends_is_started_again_with_those_that_need_it_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.local.supervisor.RESTART_SECONDS", 0.2)
    # The second one ends once, as soon as the one that needs it has started.
    needing, ended = tmp_path / "needing.starts", tmp_path / "ended"
    once = (
        f"import os, pathlib, time; ended = pathlib.Path({str(ended)!r}); needing = pathlib.Path({str(needing)!r})\n"
        "while ended.exists() or not needing.exists(): time.sleep(0.05)\n"
        "ended.touch(); os._exit(7)"
    )
    starts = Starts(tmp_path, second=once)
    warnings: list[str] = []

    def has_started_again() -> bool:
        counts = [starts.count(name) for name in ("first", "second", "needing", "later")]
        return all(found >= due for found, due in zip(counts, (1, 2, 2, 1), strict=True))

    supervisor = Supervisor(
        tmp_path,
        WITHOUT_SERVER,
        is_stopping=has_started_again,
        warn=warnings.append,
    )

    watch(
        supervisor,
        [
            starts.service("first"),
            starts.service("second"),
            starts.service("needing", needs=("second",)),
            starts.service("later", after=("second",)),
        ],
    )

    assert {name: starts.count(name) for name in ("first", "second", "later")} == {
        "first": 1,
        "second": 2,
        "later": 1,
    }
    (warning,) = warnings
    assert (
        "second process ended by itself (exit code 7); it is started again, with those that need it (needing)."
        in warning
    )


def test_service_that_is_not_essential_is_started_again_however_often_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.local.supervisor.RESTART_SECONDS", 0.05)
    starts = Starts(tmp_path, page="pass")
    supervisor = Supervisor(
        tmp_path,
        WITHOUT_SERVER,
        is_stopping=lambda: starts.count("page") > MAX_ENDS + 1,
        warn=lambda _: None,
    )

    watch(supervisor, [starts.service("steady"), starts.service("page", is_essential=False)])

    assert starts.count("steady") == 1


def test_essential_service_that_keeps_ending_stops_all_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.local.supervisor.RESTART_SECONDS", 0.05)
    ready = str(tmp_path / "failing.ready")
    once_ready = f"import os, time\nwhile not os.path.exists({ready!r}): time.sleep(0.05)\nexit(4)"
    starts = Starts(tmp_path, failing=once_ready)
    supervisor = Supervisor(tmp_path, WITHOUT_SERVER, warn=lambda _: None)

    with pytest.raises(CommandError, match=r"failing process ended by itself \(exit code 4\)"):
        watch(supervisor, [starts.service("steady"), starts.service("failing")])

    assert starts.count("failing") == MAX_ENDS


def occupied_port() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def choose_ports(settings: Settings) -> dict[str, int]:
    with claimed_ports(settings) as ports:
        return ports


def test_occupied_port_of_a_setting_is_refused() -> None:
    with occupied_port() as listener:
        port = listener.getsockname()[1]

        assert not is_free(port)
        with pytest.raises(CommandError, match="CARDOPS_UI_PORT"):
            choose_ports(Settings(ui_port=port))


def test_line_to_try_can_be_copied_where_the_home_has_spaces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ports = dict.fromkeys(("ui", "authorizer", "sftp", "dbt_docs", "pages"), 1)
    home = tmp_path / "a home"

    _show(addresses(home, ports, "key", 1), json_output=False)

    (line,) = [line for line in capsys.readouterr().err.splitlines() if "mkdir" in line]
    folder = str(home / "raw" / "incoming" / "deposits")
    words = shlex.split(line)
    assert words[2] == f"{folder};"
    assert words[-1] == f"{folder}/first.csv"


def test_first_business_date_has_begun() -> None:
    today = date(2026, 11, 30)

    require_begun(today, today)
    with pytest.raises(CommandError, match="CARDOPS_FIRST_BUSINESS_DATE is 2026-12-01"):
        require_begun(date(2026, 12, 1), today)
    with pytest.raises(ValidationError):
        Settings(first_business_date=date(1, 1, 1))


def test_port_of_a_setting_is_given_to_its_service_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.local.ports.is_free", lambda _port: True)

    monkeypatch.setattr("orchestration.local.ports._claim", lambda _port, _claims: True)

    chosen = choose_ports(Settings(pages_port=3000))

    assert (chosen["pages"], chosen["ui"]) == (3000, 3001)
    with pytest.raises(CommandError, match="CARDOPS_UI_PORT and CARDOPS_PAGES_PORT are both 4000"):
        choose_ports(Settings(ui_port=4000, pages_port=4000))


def test_port_of_the_administrator_is_not_said_to_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.local.ports.is_free", lambda _port: False)
    monkeypatch.setattr("orchestration.local.ports.accepts_connections", lambda _port: False)

    with pytest.raises(CommandError, match="below 1024"):
        choose_ports(Settings(ui_port=80))


def test_unset_port_is_the_next_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with occupied_port() as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr("orchestration.local.ports.DEFAULTS", {"ui": port, "authorizer": port})
        chosen = choose_ports(Settings())

    assert port not in chosen.values()
    assert len(set(chosen.values())) == 2


def test_two_homes_that_start_at_once_choose_other_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any service of the first listens."""
    with occupied_port() as listener:
        first_tried = listener.getsockname()[1]
    monkeypatch.setattr("orchestration.local.ports.DEFAULTS", {"ui": first_tried})

    with claimed_ports(Settings()) as one:
        with claimed_ports(Settings()) as other:
            assert other["ui"] > one["ui"]
        assert is_free(one["ui"]), "a service could not listen on the port claimed for it"
        with claimed_ports(Settings()) as later:
            assert later == other
    with claimed_ports(Settings()) as after:
        assert after == one


def test_ports_are_written_for_other_programs(tmp_path: Path) -> None:
    write_ports(tmp_path, {"ui": 1, "authorizer": 2, "sftp": 3})

    written = json.loads((tmp_path / "run" / "ports.json").read_text())
    assert written == {"ui": 1, "authorizer": 2, "sftp": 3}


def test_one_process_creates_dagsters_tables_before_others_open_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "run").mkdir()
    listed = services(
        tmp_path, {"ui": 1, "authorizer": 2, "sftp": 3, "dbt_docs": 4, "pages": 5}, tmp_path
    )

    without_dagster = {"code", "sftp", "authorizer", "pages", "dbt_docs"}
    assert {
        service.name: (*service.needs, *service.after)
        for service in listed
        if service.name not in without_dagster
    } == {
        "ui": ("code",),
        "daemon": ("code",),
        "intake": ("code",),
    }


def test_ui_of_analysts_starts_where_a_port_is_set_for_it_and_is_read_only(tmp_path: Path) -> None:
    with occupied_port() as listener:
        taken = listener.getsockname()[1]
        with pytest.raises(CommandError, match="CARDOPS_ANALYST_UI_PORT"):
            choose_ports(Settings(analyst_ui_port=taken))
    (tmp_path / "run").mkdir()
    unset, chosen = choose_ports(Settings()), choose_ports(Settings(analyst_ui_port=taken))

    names = {service.name for service in services(tmp_path, unset, tmp_path)}
    commands = {service.name: service.command for service in services(tmp_path, chosen, tmp_path)}

    assert set(commands) - names == {"analyst_ui"}
    assert commands["analyst_ui"][-1] == "--read-only"
    assert "--read-only" not in commands["ui"]
    assert addresses(tmp_path, chosen, "key", 1)["analyst_ui"].endswith(f":{taken}/analysts")
    assert "analyst_ui" not in addresses(tmp_path, unset, "key", 1)


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


def test_slow_start_says_what_it_waits_for_and_in_the_end_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.local.supervisor.TOLD_EVERY_SECONDS", 0.2)
    monkeypatch.setattr("orchestration.local.supervisor.START_TIMEOUT_SECONDS", 1.0)
    never_ready = Service("slow", (sys.executable, "-c", CHILD), is_ready=lambda: False)
    told: list[str] = []
    supervisor = Supervisor(tmp_path, os.environ, warn=told.append)
    try:
        with pytest.raises(
            CommandError, match=r"slow process was not ready .* start Cardops again"
        ):
            supervisor.start([never_ready])
    finally:
        supervisor.stop()

    assert told[0] == "Still starting after 0 min: slow …"


def test_service_that_is_still_at_work_is_ended_by_force_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.local.supervisor.STOP_TIMEOUT_SECONDS", 2.0)
    deaf = tmp_path / "deaf"
    ignoring = f"import pathlib, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); pathlib.Path({str(deaf)!r}).touch()"
    starts = Starts(tmp_path, crediting=f"{ignoring}\nimport time; time.sleep(600)")
    warnings: list[str] = []
    supervisor = Supervisor(
        tmp_path,
        WITHOUT_SERVER,
        is_stopping=lambda: deaf.exists() and starts.count("other") > 0,
        warn=warnings.append,
    )

    watch(supervisor, [starts.service(name) for name in ("crediting", "other")])

    (warning,) = warnings
    assert "ended by force: crediting. Nothing is lost or done twice" in warning
