"""The console script prints an expected error as one sentence and exits with 2."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cardops.adapters.embedded_postgresql.cluster import Cluster
from cardops.adapters.embedded_postgresql.places import prepare_places
from cardops.adapters.embedded_postgresql.server import EmbeddedServer
from tests.factories.console import CARDOPS, Console, a_home
from tests.factories.samples import poc_rows, write
from tests.factories.waiting import wait_until

pytestmark = [pytest.mark.database, pytest.mark.timeout(300)]

PASSWORD = "sekret"  # noqa: S105 - invented, so that tests can search output for it
CLOSED = f"postgresql://u:{PASSWORD}@127.0.0.1:1/db"
IS_ROOT = os.geteuid() == 0
MIB = 1024 * 1024
CASES: list[tuple[list[str], dict[str, str], str]] = [
    (["doctor"], {"CARDOPS_UI_PORT": "abc"}, "CARDOPS_UI_PORT is not usable"),
    (["key", "list"], {"CARDOPS_DEFAULT_CURRENCY": "usd"}, "ISO 4217 code such as USD"),
    (["key", "list"], {"CARDOPS_DATABASE_URL": f"mysql://u:{PASSWORD}@h/db"}, "postgresql://"),
    (["key", "list"], {"CARDOPS_DATABASE_URL": CLOSED}, "Connection refused"),
    (
        ["key", "list"],
        {"CARDOPS_DATABASE_URL": f"postgresql://u:{PASSWORD}@[::1/d"},
        "IPv6 address",
    ),
    (["callbacks", "list"], {"CARDOPS_DATABASE_URL": CLOSED}, "127.0.0.1:1/db cannot be"),
    (["reconcile"], {"CARDOPS_DATABASE_URL": CLOSED}, "127.0.0.1:1/db cannot be reached"),
    (["authorizer", "--port", "0"], {"CARDOPS_DATABASE_URL": CLOSED}, "cannot be reached"),
    (["key", "list"], {"CARDOPS_HOME": "/proc/nowhere"}, "/proc/nowhere"),
    (["key", "revoke", "nope"], {}, "There is no key nope"),
    (["key", "create", "--scopes", "all"], {}, "correct 'all'"),
    (["program", "rotate-secret", "none"], {}, "There is no program none"),
    (["program", "create", "Bad_Name"], {}, "Bad_Name"),
    (["user", "block", "two words"], {}, "not a valid user id"),
    (["quarantine", "release", "999"], {}, "999"),
    (["callbacks", "replay", "nope"], {}, "There is no callback nope"),
    (["callbacks", "list", "--program", "nope"], {}, "There is no program nope"),
    (["callbacks", "endpoints", "--program", "nope"], {}, "There is no program nope"),
    (
        ["callbacks", "replay", "--since", "2026-11-01", "--program", "no"],
        {},
        "There is no program no",
    ),
    (
        ["callbacks", "replay", "--since", "2026-11-21", "--until", "2026-11-20"],
        {},
        "exchange them or change one",
    ),
    (["deliveries", "retry", "none", "visa"], {}, "Batch none has no file"),
    (["deposits", "recall", "nowhere.csv"], {}, "nothing was recalled"),
    (["sql", "select 1"], {}, "cardops report --date D"),
    (["submit", "/nowhere.csv", "--kind", "deposits"], {}, "There is no file /nowhere.csv"),
    (["submit", "/etc", "--kind", "deposits"], {}, "There is no file /etc"),
    (["submit", "a.csv", "--kind", "sales"], {}, "'sales' is not one of 'deposits'"),
    (["submit"], {}, "Missing"),
    (["generate", "--rows", "0", "--out", "x"], {}, "'--rows'"),
    (["generate", "--rows", "many", "--out", "x"], {}, "'--rows'"),
    (["report", "--date", "yesterday"], {}, "'--date'"),
    (["reconcile", "--date", "2130-01-01"], {}, "2130-01-01 has not begun"),
    (["reconcile", "--date", "0001-01-01"], {}, "0001-01-01 is before all business dates"),
    (["key", "list"], {"CARDOPS_HOME": "/srv/price$5"}, "with which no database opens"),
    (["nonsense"], {}, "No such command 'nonsense'"),
    (["key", "list", "--nonsense"], {}, "No such option: --nonsense"),
]


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with a_home() as console:
        yield console


def assert_one_sentence(done: "subprocess.CompletedProcess[str]", words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.rstrip().endswith(".")
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stderr


@pytest.mark.parametrize(("arguments", "settings", "words"), CASES, ids=range(len(CASES)))
def test_impossible_command_is_one_sentence(
    console: Console, arguments: list[str], settings: dict[str, str], words: str
) -> None:
    assert_one_sentence(console.run(*arguments, **settings), words)


def test_wrong_password_is_reported_and_not_shown(console: Console) -> None:
    server = EmbeddedServer(console.home)
    server.join()
    try:
        before, _, after = server.url("cardops").partition("@")
    finally:
        server.leave()
    url = f"{before.rpartition(':')[0]}:{PASSWORD}@{after}"

    done = console.run("key", "list", CARDOPS_DATABASE_URL=url)

    assert_one_sentence(done, "password authentication failed for user")


def test_invalid_program_is_refused_before_a_file_is_touched(console: Console) -> None:
    sample = write(console.home.parent / "poc.json", poc_rows(1))

    done = console.run("submit", str(sample), "--kind", "chargebacks", "--program", "Bad_Name")

    assert_one_sentence(done, "'Bad_Name' cannot name a program")


@pytest.mark.dagster
def test_interrupted_submit_says_so_and_a_second_one_completes_it(console: Console) -> None:
    row = "dep_cut,user_cut,25.00,USD,2026-01-01T00:00:00Z\n"
    sample = write(
        console.home.parent / "cut.csv", f"deposit_id,user_id,amount,currency,timestamp\n{row}"
    )
    submit = ("submit", str(sample), "--kind", "deposits")
    with console.started(*submit) as process:
        raw = console.home / "raw"
        wait_until(lambda: process.poll() is not None or list(raw.rglob("cut*.csv")), "the file")
        assert process.poll() is None, "it ended before it was interrupted"
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=240)

    assert process.returncode == 130
    assert message.startswith("Interrupted: the file may be ingested in part")
    assert message.count("\n") == 1
    again = console.response(*submit)
    assert again["read"] == again["accepted"] + again["duplicate"] == 1


def test_cut_off_statement_brings_no_warning_of_the_driver(database_url: str) -> None:
    program = (
        "import sys, psycopg\n"
        "from orchestration.cli import main\n"
        "def interrupted(standalone_mode):\n"
        "    with psycopg.connect(sys.argv[1]) as session:\n"
        "        session.pgconn.send_query(b'select pg_sleep(5)')\n"
        "        sys.exit(130)\n"
        "main.app = interrupted\n"
        "main.main()\n"
    )
    command = [sys.executable, "-c", program, database_url]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.skipif(IS_ROOT, reason="root reads every file")
def test_unreadable_file_is_one_sentence(console: Console) -> None:
    sample = write(console.home.parent / "closed.json", poc_rows(1))
    sample.chmod(0)

    done = console.run("submit", str(sample), "--kind", "chargebacks")

    assert_one_sentence(done, "is not readable")


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [(["authorizer", "--port", "{port}"], {}), (["up"], {"CARDOPS_UI_PORT": "{port}"})],
)
def test_occupied_port_is_named(
    console: Console, arguments: list[str], settings: dict[str, str]
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])

        done = console.run(
            *(argument.format(port=port) for argument in arguments),
            **{name: value.format(port=port) for name, value in settings.items()},
        )

    assert_one_sentence(done, port)


def test_wrong_key_is_a_problem_document_that_says_what_to_do(console: Console) -> None:
    command = [str(CARDOPS), "authorizer", "--port", "0", "--json"]
    environment = {**os.environ, "CARDOPS_HOME": str(console.home)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["address"]
            problem = refused(f"{address}/v1/users/u1/credit", "cpk_test_nope_nope")
        finally:
            server.terminate()
            server.wait(timeout=240)

    assert problem["status"] == 401
    assert {"type", "title", "detail"} <= set(problem)
    assert problem["detail"]


def refused(url: str, key: str) -> dict[str, object]:
    """The problem document with which the request is refused."""
    headers = {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own server
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=30)  # noqa: S310 - as above
    assert refusal.value.headers["Content-Type"].startswith("application/problem+json")
    found: dict[str, object] = json.loads(refusal.value.read())
    return found


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A small file system of its own, which only root can mount."""
    with tempfile.TemporaryDirectory(prefix="cardops-disk-") as folder:
        Path(folder).chmod(0o711)
        disk = Path(folder) / "disk"
        disk.mkdir()
        options = f"size={size},mode=711"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip("a disk of its own needs the right to mount one")
        try:
            yield disk
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, *, but: int) -> None:
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    # The database's background writers may take what was free a moment ago: then the disk is full.
    with suppress(OSError), filler.open("wb") as file:
        left = shutil.disk_usage(disk).free - but
        while left > 0:
            left -= file.write(bytes(min(left, MIB)))


def on_full_disk(
    disk: Path, left: int, commands: Sequence[tuple[str, ...]], console: Console
) -> "subprocess.CompletedProcess[str]":
    """The first command that fails; a recovery that ends may free some room, which is filled again."""
    for command in commands:
        fill(disk, but=left)
        done = console.run(*command)
        if done.returncode:
            break
    return done


@pytest.mark.skipif(not IS_ROOT, reason="only root can mount a small disk")
def test_disk_too_small_for_the_database_is_one_sentence() -> None:
    with small_disk("20m") as disk:
        done = Console(disk / "home").run("key", "list")

        assert_one_sentence(done, "No space left on device")


@pytest.mark.skipif(not IS_ROOT, reason="only root can mount a small disk")
def test_full_disk_stops_a_recovery_and_is_named_also_where_the_log_is_cut_short() -> None:
    with small_disk("400m") as disk:
        console = Console(disk / "home")
        cluster = Cluster(prepare_places(console.home), None)
        assert console.run("key", "list").returncode == 0
        refused = 0
        for left in (0, 4096, 8192, 16384):  # its log takes a part of each
            cluster.start()
            cluster.kill()
            wait_until(lambda: not cluster.is_alive())
            fill(disk, but=left)

            done = console.run("key", "list")

            if done.returncode:  # a little room may be enough
                assert_one_sentence(done, "No space left on device")
                refused += 1
            assert not cluster.is_alive()
            (disk / "filler").unlink()
        assert refused
        assert console.run("key", "list").returncode == 0


@pytest.mark.dagster
@pytest.mark.skipif(not IS_ROOT, reason="only root can mount a small disk")
def test_full_disk_is_reported_and_a_later_submit_counts_rows_once() -> None:
    with small_disk("400m") as disk:
        console = Console(disk / "home")
        server = EmbeddedServer(console.home)
        server.join()
        try:
            header = "user_id,amount,deposit_id,timestamp\n"
            row = "u1,25.00,d1,2026-03-01T00:00:00Z\n"
            sample = write(disk / "deposits.csv", header + row)
            console.run("key", "list")
            submit = ("submit", str(sample), "--kind", "deposits")
            for left in (0, 100_000):
                done = on_full_disk(disk, left, [submit] * 5, console)
                assert_one_sentence(done, "No space left on device")
            creations = [("program", "create", f"acme-{number}") for number in range(5)]
            done = on_full_disk(disk, 0, creations, console)
            assert_one_sentence(done, "No space left on device")
            (disk / "filler").unlink()

            result = console.response("submit", str(sample), "--kind", "deposits")

            assert result["read"] == result["accepted"] + result["duplicate"] == 1
        finally:
            server.leave()
