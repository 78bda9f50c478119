"""`cardops up` from outside: it ingests dropped files, decides requests and leaves no process."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped] # it has no types
import psycopg
import pytest

from cardops.adapters.postgresql.connection import connect, database
from cardops.adapters.postgresql.migrate import known_migrations
from cardops.adapters.warehouse.dbt_docs import DbtDocs
from cardops.settings import Settings
from sensors.intake import WHY_AT_REST
from tests.factories.databases import new_home
from tests.factories.real_days import today as real_today
from tests.factories.waiting import wait_until
from tests.servers.processor_time import children_seconds

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[3]
# What all processes of a start take of the processors, in starts of one process that imports our definitions.
# It takes about half of that.
START_IMPORTS = 20
PATIENCE_SECONDS = 240.0
TOLD = "told.txt"
DOCS_PAGE = b"<p>every model</p>"

DEPOSITS = """\
user_id,amount,deposit_id,timestamp
user_up,25.00,dep_up_1,2026-01-01T00:00:00Z
user_up,0.00,dep_up_2,2026-01-01T00:00:00Z
"""
TRANSACTIONS = """\
transaction_id,order_id,user_id,amount,currency,payment_method,provider,status,created_at
txn_up_1,ord_1,user_up,40.00,USD,card,visa,completed,2026-01-01T00:00:00Z
txn_up_2,ord_2,user_up,50.00,USD,card,mastercard,completed,2026-01-01T00:00:00Z
"""
CHARGEBACKS = """\
transaction_id,chargeback_amount,currency,card_network,case_number,dispute_date,reason_code
txn_up_1,40.00,USD,visa,case_up_1,2026-02-01,10.4
txn_up_2,50.00,USD,mastercard,case_up_2,2026-02-01,4837
"""
# What an installation has of ours.
PARTS = (
    "assets",
    "authorizer",
    "cardops",
    "dbt_project",
    "docs",
    "orchestration",
    "resources",
    "sensors",
    "simulation",
)
NEWER_FIGURE = "accounts_overdrawn"
# A year of business dates.
DAYS = 365
BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PartitionKeysNotFoundError { message }
    ... on PythonError { message }
  }
}"""
CANCEL = "mutation Cancel($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename } }"
BACKFILL_STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}"""
RUNS = """
query Runs($filter: RunsFilter!) {
  runsOrError(filter: $filter) { ... on Runs { results { runId status tags { key value } } } }
}"""
TICKS = """
query Ticks($sensor: SensorSelector!) {
  sensorOrError(sensorSelector: $sensor) { ... on Sensor { sensorState { ticks(limit: 5) { skipReason } } } }
}"""
PARTITIONS = """
query Partitions($asset: AssetKeyInput!) {
  assetOrError(assetKey: $asset) {
    ... on Asset {
      assetMaterializations {
        partition timestamp metadataEntries { label ... on TextMetadataEntry { text } }
      }
    }
  }
}"""


@dataclass
class Up:
    """A running `cardops up`, the addresses that it printed, and the processor time that it had then."""

    home: Path
    process: subprocess.Popen[str]
    addresses: dict[str, Any]
    processor_seconds: float

    def drop(self, kind: str, text: str) -> None:
        """As a transfer program does: under a temporary name, then renamed."""
        folder = self.home / "raw" / "incoming" / kind
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "up.csv.part").write_text(text)
        (folder / "up.csv.part").replace(folder / "up.csv")

    def copy(self, kind: str, text: str) -> None:
        """As `cp` does."""
        source = self.home / "source.csv"
        source.write_text(text)
        folder = self.home / "raw" / "incoming" / kind
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / "copied.csv")

    def ask(self, path: str, body: dict[str, object] | None = None) -> dict[str, Any]:
        """The authorizer's response, with the printed key."""
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.addresses["authorizer"] + path,
            data=json.dumps(body).encode() if body else None,
            headers={
                "Authorization": f"Bearer {self.addresses['key']}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - as above
            return dict(json.load(response))

    def credit(self, user: str) -> list[dict[str, Any]]:
        try:
            return list(self.ask(f"/v1/users/{user}/credit")["credit"])
        except urllib.error.HTTPError as error:
            if error.code not in {HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE}:
                raise
            return []

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """The only field of what the UI's own address answers."""
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.addresses["ui"] + "/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - as above
            (found,) = json.load(response)["data"].values()
        return dict(found)

    def backfill(self, partitions: list[str], *assets: str) -> str:
        """The number of a backfill as the UI requests it."""
        params = {
            "assetSelection": [{"path": [asset]} for asset in assets],
            "partitionNames": partitions,
        }
        answer = self.graphql(BACKFILL, params=params)
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def status_of(self, backfill_id: str) -> str:
        return str(self.graphql(BACKFILL_STATUS, id=backfill_id)["status"])

    def ended_runs(self, backfill_id: str) -> dict[str, str]:
        """State of each run of the backfill that ended, by its partition."""
        runs = self.graphql(
            RUNS, filter={"tags": [{"key": "dagster/backfill", "value": backfill_id}]}
        )
        tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in runs["results"]]
        return {
            found.get("dagster/partition", run["runId"]): run["status"]
            for run, found in zip(runs["results"], tags, strict=True)
            if run["status"] in {"SUCCESS", "FAILURE", "CANCELED"}
        }

    def has_completed(self, backfill_id: str) -> bool:
        return self.status_of(backfill_id).startswith("COMPLETED")

    def runs(self, *statuses: str, **tags: str) -> list[str]:
        """Ids of the runs in one of these states, with these tags."""
        found = self.graphql(
            RUNS,
            filter={
                "statuses": list(statuses),
                "tags": [
                    {"key": key.replace("__", "/"), "value": value} for key, value in tags.items()
                ],
            },
        )
        return [str(run["runId"]) for run in found["results"]]

    def skip_reasons(self, sensor: str) -> list[str | None]:
        """What the newest ticks of the sensor say."""
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "cardops",
            "sensorName": sensor,
        }
        found = self.graphql(TICKS, sensor=selector)
        return [tick["skipReason"] for tick in found["sensorState"]["ticks"]]

    def partitions(self, asset: str) -> list[str]:
        found = self.graphql(PARTITIONS, asset={"path": [asset]})
        return [str(event["partition"]) for event in found["assetMaterializations"]]

    def shown(self, asset: str) -> list[set[str]]:
        """What each materialization has metadata of."""
        found = self.graphql(PARTITIONS, asset={"path": [asset]})
        return [
            {str(entry["label"]) for entry in event["metadataEntries"]}
            for event in found["assetMaterializations"]
        ]

    def said_of(self, asset: str, partition: str) -> str:
        """What the newest materialization says that its run did."""
        found = self.graphql(PARTITIONS, asset={"path": [asset]})
        events = [
            event for event in found["assetMaterializations"] if event["partition"] == partition
        ]
        newest = max(events, key=lambda event: float(event["timestamp"]))
        return next(
            str(entry["text"])
            for entry in newest["metadataEntries"]
            if entry["label"] == "this_run"
        )

    def received(self) -> dict[str, list[tuple[str, int]]]:
        """Files at each card company, with the time of their last change."""
        return {
            inbox.parent.name: sorted(
                (path.name, path.stat().st_mtime_ns) for path in inbox.iterdir()
            )
            for inbox in (self.home / "card_companies").glob("*/inbox")
        }

    def has_docs(self) -> bool:
        """Whether the page of dbt's docs is served."""
        try:
            with urllib.request.urlopen(self.addresses["dbt_docs"], timeout=10) as response:  # noqa: S310 - our own address
                return bool(response.read() == DOCS_PAGE)
        except OSError:
            return False

    def docs_servers(self) -> set[int]:
        command = f"--port {self.addresses['ports']['dbt_docs']}"
        return {pid for pid, text in of_home(self.home).items() if command in text}

    def database_url(self) -> str:
        """For sessions of a test, which is no user of the server that it would wait for."""
        with database(Settings(home=self.home)) as addresses:
            return addresses.url

    @property
    def told(self) -> str:
        """What the command says to its operator."""
        return (self.home / TOLD).read_text()

    def database_pid(self) -> int:
        file = self.home / "postgres" / "cluster" / "data" / "postmaster.pid"
        pid = int(file.read_text().split("\n", 1)[0])
        assert pid > 1  # 0 would be the whole group of this process
        return pid

    def has_other_database(self, former: int) -> bool:
        """Whether another server than that one runs and the authorizer uses it."""
        with suppress(FileNotFoundError, ValueError, urllib.error.HTTPError):  # not yet
            return self.database_pid() != former and self.ask("/readyz")["status"] == "ok"
        return False

    def delivered(self) -> set[str]:
        """Networks whose SFTP folder holds a chargeback file with its control file."""
        inboxes = (self.home / "card_companies").glob("*/inbox")
        return {
            inbox.parent.name
            for inbox in inboxes
            if list(inbox.glob("*.csv")) and list(inbox.glob("*.csv.ctl"))
        }


def environment(home: Path, **more: str) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("CARDOPS_")
    }
    return {**inherited, "CARDOPS_HOME": str(home), **more}


def start(home: Path, version: Path = ROOT) -> subprocess.Popen[str]:
    with (home / TOLD).open("w") as told:
        return subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli.main", "up", "--json"],
            cwd=version,
            # A home that has been there for a year, so that a year can be backfilled.
            env=environment(
                home, CARDOPS_FIRST_BUSINESS_DATE=str(real_today() - timedelta(days=DAYS))
            ),
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        )


@contextmanager
def a_home() -> Iterator[Path]:
    """A home whose page of dbt's docs is of the project as it is: a build takes more than all else here."""
    with new_home() as home:
        docs = DbtDocs(home / "dbt_docs")
        docs.page.parent.mkdir()
        docs.page.write_bytes(DOCS_PAGE)
        (docs.page.parent / "project_hash").write_text(docs._hash_of_project())
        assert docs.is_current()
        yield home


@contextmanager
def up() -> Iterator[Up]:
    with a_home() as home, started(home) as running:
        yield running


@contextmanager
def started(home: Path, version: Path = ROOT) -> Iterator[Up]:
    process = start(home, version)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, "it ended before it was ready"
        yield Up(home, process, json.loads(line), processor_seconds(of_home(home)))
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=240)
        process.stdout.close()


def of_home(home: Path) -> dict[int, str]:
    """Processes that name the home in their command, their environment or their folder."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            description = _description(process)
            if str(home) in description and int(process.name) != os.getpid():
                found[int(process.name)] = description[:200]
    return found


def processor_seconds(processes: Iterable[int]) -> float:
    """Of these and of those that they waited for."""
    ticks = 0
    for pid in processes:
        with suppress(OSError):
            # After the name, which may have spaces: the state, and from the 12th on four times.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def import_definitions() -> None:
    """In a process of its own, as fast as the machine is now."""
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import orchestration.definitions"],
        cwd=ROOT,
        check=True,
    )


def _description(process: Path) -> str:
    description = (process / "cmdline").read_bytes()
    with suppress(OSError):
        description += (process / "environ").read_bytes()
    with suppress(OSError):
        description += os.fsencode((process / "cwd").readlink())
    return description.decode(errors="replace").replace("\0", " ")


def wait_until_ended(home: Path) -> None:
    """Rarely: each look reads of every process of the machine."""
    wait_until(
        lambda: not of_home(home), "the end of all", seconds=PATIENCE_SECONDS, pause_seconds=0.2
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


# Days are enough to see the order; a year is proved by the long tests.
@pytest.mark.parametrize("count", [30, pytest.param(DAYS, marks=pytest.mark.soak)])
def test_backfill_leaves_intake_running(first: Up, count: int) -> None:
    """A file that arrives meanwhile does not wait for the rest."""
    days = [str(real_today() - timedelta(days=ago)) for ago in range(count)]
    before = first.credit("user_up")
    backfill_id = first.backfill(days, "deposits")
    wait_until(lambda: first.ended_runs(backfill_id), "the first run", seconds=PATIENCE_SECONDS)
    first.drop(
        "deposits", DEPOSITS.replace("user_up", f"user_{count}").replace("dep_up", f"dep_{count}")
    )
    wait_until(lambda: first.credit(f"user_{count}"), "the credit", seconds=PATIENCE_SECONDS)
    ended = first.ended_runs(backfill_id)
    status = first.status_of(backfill_id)
    first.graphql(CANCEL, id=backfill_id)
    wait_until(
        lambda: first.status_of(backfill_id) in {"CANCELED", "FAILED"},
        "the end of the backfill",
        seconds=PATIENCE_SECONDS,
        pause_seconds=0.5,
    )

    assert status == "REQUESTED"
    assert 0 < len(ended) < count
    assert set(ended.values()) == {"SUCCESS"}
    assert first.credit("user_up") == before
    assert [credit["ledger_balance"] for credit in first.credit(f"user_{count}")] == [25.0]


def test_backfills_credit_and_send_nothing_again_and_say_so(first: Up) -> None:
    """Newest date first and one twice, over a date whose files were credited; networks twice, too."""
    inboxes, before = first.received(), first.credit("user_up")
    days = [str(real_today() - timedelta(days=ago)) for ago in (0, 1, 0)]
    deposits_id = first.backfill(days, "deposits")
    (batch,) = {key.partition("|")[0] for key in first.partitions("chargeback_deliveries")}
    keys = [f"{batch}|{network}" for network in ("visa", "mastercard", "visa", "amex")]
    backfill_id = first.backfill(keys, "chargeback_files", "chargeback_deliveries")
    for running in (deposits_id, backfill_id):
        wait_until(
            partial(first.has_completed, running),
            "the end of the backfill",
            seconds=PATIENCE_SECONDS,
            pause_seconds=0.5,
        )

    assert set(first.ended_runs(backfill_id).values()) == {"SUCCESS"}
    assert first.ended_runs(deposits_id) == dict.fromkeys(days, "SUCCESS")
    assert first.credit("user_up") == before
    assert first.received() == inboxes
    said = first.said_of("chargeback_deliveries", keys[0])
    assert said.startswith("already delivered at ")
    assert said.endswith(" UTC, nothing sent")


def test_changes_by_the_ui_are_in_the_audit_trail(first: Up) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli.main", "audit", "list", "--json"],
        cwd=ROOT,
        env=environment(first.home),
        capture_output=True,
        text=True,
        check=True,
    )

    entries = json.loads(done.stdout)["data"]
    assert {(entry["origin"], entry["actor"]) for entry in entries} == {
        ("ui", "unknown (no proxy)")
    }
    assert {"backfill", "cancel backfill"} == {entry["action"] for entry in entries}


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
        assert second["ports"]["ui"] > first.addresses["ports"]["ui"]
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


def test_ctrl_c_and_an_upgrade_while_files_are_credited_credit_each_once(
    first: Up, tmp_path: Path
) -> None:
    """The last test of this module: it stops what the others use, and starts a newer version in its home.

    One run is in the intake worker, one in a process of its own, and two wait for a place.
    """
    today, url = str(real_today()), first.database_url()
    dates = [str(real_today() - timedelta(days=ago)) for ago in (40, 41)]
    # The database, too, is stopped while the lock is held.
    with suppress(psycopg.OperationalError), connect(url) as session, session.transaction():
        session.execute("lock table cardops.deposit_events in share mode")
        first.drop("deposits", DEPOSITS.replace("user_up", "user_1st").replace("dep_up", "1st"))
        wait_until(lambda: first.runs("STARTED"), "the worker's run", seconds=PATIENCE_SECONDS)
        first.copy("deposits", DEPOSITS.replace("user_up", "user_2nd").replace("dep_up", "2nd"))
        own = first.backfill([today], "deposits")
        wait_until(
            lambda: first.runs("STARTED", dagster__backfill=own),
            "the run of the daemon",
            seconds=PATIENCE_SECONDS,
        )
        waiting = first.backfill(dates, "balances", "transaction_log")
        wait_until(
            lambda: len(first.runs("QUEUED", dagster__backfill=waiting)) == len(dates),
            "the runs that wait",
            seconds=PATIENCE_SECONDS,
        )
        in_hand = first.runs("STARTED")
        assert [first.credit(user) for user in ("user_1st", "user_2nd")] == [[], []]
        ctrl_c(first)

    assert len(in_hand) == 2
    assert "ended by force: intake" in first.told
    with started(first.home, newer_version(tmp_path)) as newer:
        assert set(newer.runs("FAILURE", "CANCELED")) >= set(in_hand)
        wait_until(
            lambda: newer.credit("user_1st") and newer.credit("user_2nd"),
            "the credits",
            seconds=PATIENCE_SECONDS,
            pause_seconds=1,
        )
        wait_until(partial(newer.has_completed, waiting), "what waited", seconds=PATIENCE_SECONDS)
        assert list(newer.ended_runs(waiting).values()) == ["SUCCESS"] * len(dates)
        assert sorted(newer.partitions("balances")) == sorted(dates)
        assert [NEWER_FIGURE in shown for shown in newer.shown("balances")] == [True, True]
        credited = credits_of("^(1st|2nd)", url)
        ctrl_c(newer)
        assert "by force" not in newer.told

    assert credited == [("1st_1", 1, 2500), ("2nd_1", 1, 2500)]


def credits_of(deposits: str, url: str) -> list[tuple[Any, ...]]:
    """Of deposits with such ids: how often each was credited, and how much; from a migrated database."""
    with connect(url) as session:
        session.execute("select from cardops.newer_version")
        return session.execute(
            "select deposit_id, count(*), sum(amount_minor) from cardops.deposit_events"
            " where deposit_id ~ %s group by deposit_id order by 1",
            (deposits,),
        ).fetchall()


def ctrl_c(running: Up) -> None:
    """It ends every process."""
    of_start = of_home(running.home)
    running.process.send_signal(signal.SIGINT)

    assert running.process.wait(timeout=240) == 0
    wait_until_ended(running.home)
    assert not [pid for pid in of_start if Path(f"/proc/{pid}/root").exists() and _is_ours(pid)]
    assert not (running.home / "run" / "ports.json").exists()


def newer_version(folder: Path) -> Path:
    """A copy of the program with a migration more, whose balances show a figure of another name."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part)
    balances = folder / "assets" / "balances.py"
    balances.write_text(balances.read_text().replace('"accounts_below_zero"', f'"{NEWER_FIGURE}"'))
    number = known_migrations()[-1].version + 1
    migration = folder / "cardops/adapters/postgresql/migrations" / f"{number:04}_newer_version.sql"
    migration.write_text("create table newer_version (id bigint primary key);\n")
    return folder


def _is_ours(pid: int) -> bool:
    """False for another process that reuses the id."""
    with suppress(OSError):
        return "orchestration" in _description(Path(f"/proc/{pid}"))
    return False
