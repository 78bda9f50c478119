"""`cardops up` from outside: it ingests dropped files, decides requests and leaves no process."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped] # it has no types
import pytest

from sensors.intake import WHY_AT_REST
from tests.factories.databases import new_home
from tests.factories.waiting import wait_until
from tests.servers.cardops_up import (
    CHARGEBACKS,
    DEPOSITS,
    PATIENCE_SECONDS,
    ROOT,
    TRANSACTIONS,
    Up,
    a_home,
    environment,
    of_home,
    start,
    up,
    wait_until_ended,
)
from tests.servers.processor_time import children_seconds

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(900)]
# What all processes of a start take of the processors, in starts of one process that imports our definitions.
# It takes about half of that.
START_IMPORTS = 20


def import_definitions() -> None:
    """In a process of its own, as fast as the machine is now."""
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import orchestration.definitions"],
        cwd=ROOT,
        check=True,
    )


@pytest.fixture(scope="module")
def first() -> Iterator[Up]:
    with up() as running:
        yield running


def test_up_becomes_ready_and_prints_its_addresses(first: Up) -> None:
    ui = first.addresses["ui"] + "/server_info"
    with urllib.request.urlopen(ui, timeout=10) as response:  # noqa: S310 - our own address
        assert "dagster_webserver_version" in json.load(response)

    written = json.loads((first.home / "run" / "ports.json").read_text())
    assert written == first.addresses["ports"]
    assert first.addresses["ui"].endswith(f":{written['ui']}")
    imports = first.processor_seconds / children_seconds(import_definitions)
    print(f"ready after {first.addresses['seconds']} s, {imports:.1f} imports")  # noqa: T201 - figures to watch
    assert 1 < imports < START_IMPORTS


def test_every_service_listens_on_loopback_alone(first: Up) -> None:
    listening = [
        connection.laddr
        for pid in of_home(first.home)
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {first.addresses["ports"][name] for name in ("ui", "authorizer", "sftp", "pages")} <= {
        address.port for address in listening
    }


def test_runs_are_forked_from_a_process_that_has_the_slow_modules_and_one_thread(first: Up) -> None:
    """No other process can be forked safely."""
    (pid,) = (pid for pid, text in of_home(first.home).items() if ".forkserver import main" in text)
    maps = Path(f"/proc/{pid}/maps")
    wait_until(
        lambda: all(name in maps.read_text() for name in ("/_duckdb", "/numpy/", "/pyarrow/")),
        "the modules",
        seconds=PATIENCE_SECONDS,
        pause_seconds=0.2,
    )

    assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1


def test_page_of_dbt_docs_is_served_and_started_again_when_it_ends(first: Up) -> None:
    wait_until(first.has_docs, "the page", seconds=PATIENCE_SECONDS)
    (pid,) = first.docs_servers()

    os.kill(pid, signal.SIGKILL)

    wait_until(
        lambda: first.docs_servers() - {pid},
        "another server of it",
        seconds=PATIENCE_SECONDS,
        pause_seconds=0.2,
    )
    wait_until(first.has_docs, "the page again", seconds=PATIENCE_SECONDS)
    assert first.process.poll() is None


def test_dropped_file_is_credited_and_spent_with_the_printed_key(first: Up) -> None:
    request: dict[str, object] = {"user_id": "user_up", "amount": "5.00"}
    early = first.ask("/v1/authorizations", {"transaction_id": "early", **request})
    first.copy("deposits", DEPOSITS)
    seconds = wait_until(
        lambda: first.credit("user_up"), "the credit", seconds=PATIENCE_SECONDS, pause_seconds=0.2
    )
    print(f"credited after {seconds:.1f} s")  # noqa: T201 - a figure to watch

    late = first.ask("/v1/authorizations", {"transaction_id": "late", **request})

    assert (early["status"], early["reason_code"]) == ("REJECT", "unknown_user")
    assert (late["status"], late["remaining_credit"]) == ("PERMIT", 20.0)


def test_arrival_sensors_rest_while_the_intake_worker_lives(first: Up) -> None:
    wait_until(
        lambda: WHY_AT_REST in first.skip_reasons("deposit_arrival_sensor"),
        "a tick that says so",
        seconds=PATIENCE_SECONDS,
        pause_seconds=0.5,
    )


def test_killed_database_is_back_without_another_command(first: Up) -> None:
    """The tests after this one show that sensors, runs and pools go on as well."""
    killed = first.database_pid()
    os.kill(killed, signal.SIGKILL)
    seconds = wait_until(
        lambda: first.has_other_database(killed), "the database", seconds=PATIENCE_SECONDS
    )
    print(f"the database was back after {seconds:.1f} s")  # noqa: T201 - a figure to watch

    # Readiness is cached for half a second, so it may be older than the kill.
    wait_until(lambda: first.credit("user_up"), "an answer from the database")
    log = first.home / "run" / "logs" / "authorizer.log"
    wait_until(lambda: "runs again" in log.read_text(), "the log that says so")


def test_dropped_chargebacks_are_delivered_to_the_card_companies(first: Up) -> None:
    first.drop("transactions", TRANSACTIONS)
    first.drop("chargebacks", CHARGEBACKS)

    seconds = wait_until(
        lambda: len(first.delivered()) == 2, "the delivery", seconds=PATIENCE_SECONDS
    )
    print(f"delivered after {seconds:.1f} s")  # noqa: T201 - a figure to watch

    assert first.delivered() == {"visa", "mastercard"}


def test_second_home_uses_other_ports_and_a_kill_leaves_no_process(first: Up) -> None:
    with a_home() as home:
        process = start(home)
        assert process.stdout is not None
        second = json.loads(process.stdout.readline())
        beside = set(second["ports"].values()) & set(first.addresses["ports"].values())
        processes = set(of_home(home))

        process.kill()
        process.wait()
        process.stdout.close()
        wait_until_ended(home)

        assert beside == set()
        assert len(processes) > 6
        assert first.ask("/v1/users/user_up/credit"), "the first instance no longer responds"


def test_up_with_an_occupied_port_is_one_sentence(first: Up) -> None:
    port = str(first.addresses["ports"]["ui"])
    with new_home() as home:
        done = subprocess.run(
            [sys.executable, "-m", "orchestration.cli.main", "up"],
            cwd=ROOT,
            env=environment(home, CARDOPS_UI_PORT=port),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

        assert done.returncode == 2
        assert f"Port {port} is taken" in done.stderr
        assert "Traceback" not in done.stderr
        assert of_home(home) == {}
