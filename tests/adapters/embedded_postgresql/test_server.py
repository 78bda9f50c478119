"""The embedded server: one for all processes of a home, restarted after any crash."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from cardops.adapters.embedded_postgresql.binaries import choose_binaries
from cardops.adapters.embedded_postgresql.places import MAX_SOCKET_PATH_BYTES, SOCKET_NAME
from cardops.adapters.embedded_postgresql.server import EmbeddedServer
from cardops.adapters.embedded_postgresql.user import UNPRIVILEGED_UID
from cardops.adapters.postgresql.connection import connect, database
from cardops.adapters.postgresql.errors import DatabaseUnavailableError
from cardops.settings import Settings
from tests.factories.databases import new_home
from tests.servers.embedded_server_member import joined, leave, start_joining

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the embedded server, even where other tests run on a given one."""
    monkeypatch.setenv("CARDOPS_DATABASE_URL", "")


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path that an unprivileged server may enter."""
    with new_home() as path:
        yield path


def pid_of(home: Path) -> int | None:
    file = home / "postgres" / "cluster" / "data" / "postmaster.pid"
    return int(file.read_text().split("\n", 1)[0]) if file.exists() else None


def test_concurrent_processes_share_a_server_and_the_last_stops_it(home: Path) -> None:
    with ExitStack() as ended:
        racing = [ended.enter_context(start_joining(home)) for _ in range(4)]
        assert [joined(process) for process in racing] == [True] * 4
        first_pid = pid_of(home)
        assert [leave(process) for process in racing[:3]] == [0, 0, 0]
        assert pid_of(home) == first_pid is not None
        assert leave(racing[3]) == 0

    assert pid_of(home) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_ordinary_user_has_a_server_of_its_own(home: Path) -> None:
    os.chown(home, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    with start_joining(home, uid=UNPRIVILEGED_UID) as process:
        assert joined(process)
        assert leave(process) == 0
    assert (home / "postgres" / "password").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a home closed to its own server")
def test_roots_private_home_keeps_its_cluster_elsewhere(home: Path) -> None:
    home.chmod(0o700)
    with database(Settings(home=home)) as addresses, connect(addresses.url) as session:
        assert session.execute("select 1").fetchone() == (1,)
    base = Path((home / "postgres" / "place").read_text().strip())
    assert (base / "cluster" / "data").is_dir()
    shutil.rmtree(base)

    with pytest.raises(DatabaseUnavailableError, match="that directory is gone"):
        EmbeddedServer(home).join()


def test_killed_server_is_restarted_by_the_next_user(home: Path) -> None:
    settings = Settings(home=home)
    with database(settings) as first, connect(first.url) as session:
        session.execute("insert into programs (program, currency) values ('kept', 'USD')")
        pid = pid_of(home)
        assert pid is not None  # 0 would be the whole group of this process
        os.kill(pid, signal.SIGKILL)
        with database(settings) as again, connect(again.url) as fresh:
            found = fresh.execute("select program from programs where program = 'kept'").fetchall()

    assert found == [("kept",)]
    assert pid_of(home) is None


# The rollback is not in the log yet when the server dies, the creation is. The process dies with it,
# or would start the server again.
ROLLED_BACK = """
import os, signal, sys
from pathlib import Path
from cardops.adapters.embedded_postgresql.server import EmbeddedServer
from cardops.adapters.postgresql.connection import connect

home = Path(sys.argv[1])
server = EmbeddedServer(home)
server.join()
url = server.url("postgres")
pid_file = home / "postgres" / "cluster" / "data" / "postmaster.pid"
pid = int(pid_file.read_text().splitlines()[0])
with connect(url) as session:
    session.execute("alter system set wal_writer_delay = '10s'")
    session.execute("select pg_reload_conf()")
    session.execute("create table flushed (n int)")
    session.execute("checkpoint")
with connect(url, autocommit=False) as staging, connect(url) as other:
    staging.execute("create unlogged table staged (n int)")
    other.execute("insert into flushed values (1)")
    staging.rollback()
    os.kill(pid, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_after_a_rolled_back_staging_table_does_not_stop_the_start(home: Path) -> None:
    died = subprocess.run([sys.executable, "-c", ROLLED_BACK, str(home)], check=False)
    assert died.returncode == -signal.SIGKILL
    server = EmbeddedServer(home)
    server.join()

    with connect(server.url("postgres")) as session:
        assert session.execute("select n from flushed").fetchall() == [(1,)]
    server.leave()


def test_pid_file_of_another_process_does_not_stop_the_start(home: Path) -> None:
    with database(Settings(home=home)):
        pass
    stale = home / "postgres" / "cluster" / "data" / "postmaster.pid"
    stale.write_text(f"{os.getppid()}\n{stale.parent}\n0\n5432\n")

    with database(Settings(home=home)) as addresses, connect(addresses.url) as session:
        assert session.execute("select 1").fetchone() == (1,)


def test_long_home_has_its_socket_in_a_short_path(home: Path) -> None:
    deep = home / ("long-name-" * 9)
    with database(Settings(home=deep)) as addresses, connect(addresses.url) as session:
        (directory,) = session.execute("show unix_socket_directories").fetchone() or ("",)
    assert len(f"{directory}/{SOCKET_NAME}") <= MAX_SOCKET_PATH_BYTES
    shutil.rmtree(directory)


@pytest.mark.parametrize("version", ["12", "not a version"])
def test_data_of_an_unknown_version_are_refused(tmp_path: Path, version: str) -> None:
    (tmp_path / "PG_VERSION").write_text(f"{version}\n")

    with pytest.raises(DatabaseUnavailableError, match=version):
        choose_binaries(tmp_path, None)


def test_programs_of_another_version_than_the_data_are_refused(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("12\n")
    installed = choose_binaries(tmp_path / "none yet", None)

    with pytest.raises(DatabaseUnavailableError, match=r"written by PostgreSQL 12, but CARDOPS_"):
        choose_binaries(tmp_path, installed)


def test_directory_without_postgresql_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match="name the directory that holds postgres"):
        choose_binaries(tmp_path / "data", tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hidden@127.0.0.1:1/db",
        "postgresql://u:hidden@127.0.0.1:99999/db",
        "postgresql://u:hidden@127.0.0.1:http/db",
        "postgresql://u:hidden%zz@127.0.0.1/db",
    ],
)
def test_unreachable_url_is_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match="CARDOPS_DATABASE_URL") as refused:
        connect(url)

    assert "hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_server_requires_its_password(home: Path) -> None:
    with database(Settings(home=home)) as addresses:
        wrong_url = addresses.url.replace("cardops:", "cardops:x", 1)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong_url)


def test_home_that_cannot_be_created_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DatabaseUnavailableError, match="set CARDOPS_HOME to another place"):
        EmbeddedServer(tmp_path / "file" / "home").join()


def test_connect_info_stops_the_server_when_the_process_ends(home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cardops.settings import Settings;"
        "from cardops.adapters.postgresql.connection import connect, connect_info;"
        "s = Settings(home=Path(sys.argv[1])); assert connect_info(s) == connect_info(s);"
        "connect(connect_info(s).url).close()"
    )
    subprocess.run([sys.executable, "-c", code, str(home)], check=True)

    assert (home / "postgres" / "cluster" / "data" / "PG_VERSION").exists()
    assert pid_of(home) is None
