"""The embedded server is watched: gone, it is started again by whoever uses it."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from cardops.adapters import file_locks
from cardops.adapters.embedded_postgresql import watch
from cardops.adapters.embedded_postgresql.server import EmbeddedServer
from cardops.adapters.embedded_postgresql.watch import ServerWatch, StartPauses
from cardops.adapters.postgresql.connection import database_watch
from cardops.settings import Settings
from tests.factories.databases import new_home
from tests.factories.waiting import wait_until

pytestmark = pytest.mark.database

RECOVERY_SECONDS = 60  # on a busy machine; it takes half a second
JOIN = (
    "import sys; from pathlib import Path\n"
    "from cardops.adapters.embedded_postgresql.server import EmbeddedServer\n"
    "server = EmbeddedServer(Path(sys.argv[1]))\n"
    "with server._start_lock(): print('held', flush=True); sys.stdin.readline()"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(watch, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(file_locks, "STOPPED_SECONDS", 0.1)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with new_home() as path:
        yield path


@pytest.fixture
def server(home: Path) -> Iterator[EmbeddedServer]:
    joined = EmbeddedServer(home)
    joined.join()
    yield joined
    joined.leave()
    assert not pid_file(home).exists()


def pid_file(home: Path) -> Path:
    return home / "postgres" / "cluster" / "data" / "postmaster.pid"


def pid_of(home: Path) -> int:
    """The server's process id, also while it is starting; it must run."""
    pid = int(pid_file(home).read_text().split("\n", 1)[0])
    assert pid > 1  # 0 would be the whole group of this process
    return pid


def kill(home: Path) -> int:
    pid = pid_of(home)
    os.kill(pid, signal.SIGKILL)
    return pid


def until(condition: Callable[[], object]) -> None:
    wait_until(condition, seconds=RECOVERY_SECONDS)


def serves(server: EmbeddedServer) -> bool:
    try:
        with psycopg.connect(server.url("cardops")) as session:
            return session.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def is_down(server: EmbeddedServer, sentence: str) -> bool:
    return sentence in ((server.watch and server.watch.outage) or "")


def test_killed_server_is_started_again_by_its_user(
    server: EmbeddedServer, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = server.url("cardops")
    killed = kill(home)
    until(lambda: server.watch and server.watch.outage_count)
    until(lambda: serves(server))

    assert pid_of(home) != killed
    assert server.url("cardops") == address
    until(lambda: server.watch and server.watch.outage is None)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "is being started again" in caplog.messages[0]
    assert "runs again after" in caplog.messages[1]


def test_server_with_a_killed_session_ends_whole_and_is_started_again(
    server: EmbeddedServer, home: Path
) -> None:
    before = pid_of(home)
    with psycopg.connect(server.url("cardops")) as session:
        os.kill(session.info.backend_pid, signal.SIGKILL)
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")
    until(lambda: server.watch and server.watch.outage_count)
    until(lambda: serves(server))

    assert pid_of(home) != before


def test_racing_users_start_the_server_once(
    server: EmbeddedServer, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as left:
        others = [EmbeddedServer(home) for _ in range(4)]
        for other in others:
            other.join()
            left.callback(other.leave)
        kill(home)
        everyone = [server, *others]
        until(lambda: all(each.watch and each.watch.outage_count for each in everyone))
        until(lambda: all(each.watch and each.watch.outage is None for each in everyone))

    ours = [text for text in caplog.messages if text.endswith(" s.")]
    theirs = [text for text in caplog.messages if text.endswith("(another process started it).")]
    assert (len(ours), len(theirs)) == (1, 4)


def test_restart_between_two_looks_is_told(caplog: pytest.LogCaptureFixture) -> None:
    pids = iter([11, 11])
    watching = ServerWatch(lambda: next(pids, 12), lambda: False, name="The database")
    watching.begin()
    until(lambda: watching.outage_count == 1)
    watching.end()

    assert caplog.messages == ["The database was gone and runs again (another process started it)."]


def test_server_stopped_by_hand_is_started_again(server: EmbeddedServer, home: Path) -> None:
    stopped = pid_of(home)
    os.kill(stopped, signal.SIGINT)  # a fast shutdown
    until(lambda: server.watch and server.watch.outage_count)
    until(lambda: serves(server))

    assert pid_of(home) != stopped


def test_server_that_its_last_user_stopped_stays_stopped(home: Path) -> None:
    first, last = EmbeddedServer(home), EmbeddedServer(home)
    first.join()
    last.join()
    first.leave()
    assert serves(last)
    last.leave()

    time.sleep(5 * watch.POLL_SECONDS)
    assert not pid_file(home).exists()
    assert last.watch is None


@pytest.mark.parametrize("content", ["{other}\n/elsewhere\n", ""])
def test_pid_file_of_no_server_is_replaced(
    server: EmbeddedServer, home: Path, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.watch
    server.watch.end()  # until the file is as a crash or a full disk leaves it
    kill(home)
    pid_file(home).write_text(content.format(other=os.getppid()))

    assert server._start_again()
    assert serves(server)


def test_stopped_holder_of_the_start_lock_is_not_waited_for(
    server: EmbeddedServer, home: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", JOIN, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.send_signal(signal.SIGSTOP)
        kill(home)
        until(lambda: server.watch and server.watch.outage_count)
        until(lambda: serves(server))
        other = EmbeddedServer(home)
        other.join()
        other.leave()
        holder.send_signal(signal.SIGCONT)
        holder.communicate("\n")

    assert holder.returncode == 0
    assert serves(server)


def test_lost_data_are_never_replaced_by_an_empty_database(
    server: EmbeddedServer, home: Path
) -> None:
    data = pid_file(home).parent
    killed = kill(home)
    aside = data.rename(data.with_name("aside"))
    until(lambda: is_down(server, f"{data} is gone; restore it"))
    until(lambda: not Path(f"/proc/{killed}").exists())
    assert not data.exists()

    aside.rename(data)
    until(lambda: serves(server))


def test_server_that_cannot_start_is_tried_again_until_it_is_mended(
    server: EmbeddedServer, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = pid_file(home).parent / "postgresql.auto.conf"
    good = settings.read_text()
    settings.write_text("no_such_setting = 1\n")
    kill(home)
    until(lambda: len(caplog.records) >= 4)
    attempts = [text for text in caplog.messages if "The next attempt is in" in text]
    assert is_down(server, "cannot be started: ")
    assert is_down(server, "server.log")
    settings.write_text(good)

    assert len(attempts) >= 3
    until(lambda: serves(server))


def test_pauses_grow_while_a_server_dies_again_and_again() -> None:
    pauses = StartPauses()
    waited, now = [], 0.0
    for _ in range(9):
        pauses.begin_outage(now)
        waited.append(pauses.next())
        now += 1.0  # it runs for less than what counts as stable
        pauses.end_outage(now)

    assert waited == sorted(waited)
    assert waited[0] == 0.0
    assert 2 * waited[1] == waited[2]
    pauses.begin_outage(now + watch.STABLE_SECONDS)
    assert pauses.next() == 0.0
    assert max(pauses.next() for _ in range(40)) == watch.LONGEST_PAUSE_SECONDS


def test_forked_child_neither_watches_nor_stops_the_server(
    server: EmbeddedServer, home: Path
) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from cardops.adapters.embedded_postgresql.server import EmbeddedServer\n"
        "server = EmbeddedServer(Path(sys.argv[1])); server.join()\n"
        "child = os.fork()\n"
        "if child == 0: server.leave(); os._exit(0)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert server.watch is not None\n"
        "server.leave()"
    )
    subprocess.run([sys.executable, "-c", program, str(home)], check=True)

    assert serves(server)


def test_given_database_is_not_watched() -> None:
    assert database_watch(Settings(database_url="postgresql://elsewhere/cardops")) is None
