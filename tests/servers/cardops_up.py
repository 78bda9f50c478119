"""A real `cardops up` in a home of its own, as an operator starts it: what its addresses, its UI and its processes say."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cardops.adapters.postgresql.connection import database
from cardops.adapters.warehouse.dbt_docs import DbtDocs
from cardops.settings import Settings
from tests.factories.databases import new_home
from tests.factories.real_days import today as real_today
from tests.factories.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
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
  runsOrError(filter: $filter) { ... on Runs { results { runId status startTime endTime tags { key value } } } }
}"""
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
GROUP = """
query Group($repository: RepositorySelector!) {
  repositoryOrError(repositorySelector: $repository) {
    ... on Repository { assetNodes { groupName isExecutable isPartitioned assetKey { path } } }
  }
}"""
REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "cardops"}
TICKS = """
query Ticks($sensor: SensorSelector!) {
  sensorOrError(sensorSelector: $sensor) { ... on Sensor { sensorState { ticks(limit: 5) { skipReason } } } }
}"""
PARTITIONS = """
query Partitions($asset: AssetKeyInput!) {
  assetOrError(assetKey: $asset) {
    ... on Asset {
      assetMaterializations {
        partition
        timestamp
        metadataEntries {
          label
          ... on TextMetadataEntry { text }
          ... on TableMetadataEntry { table { records } }
        }
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

    def launch(self, job: str, partition: str) -> str:
        """The id of a run as the UI launches it."""
        return self._launched(
            {"pipelineName": job}, [{"key": "dagster/partition", "value": partition}]
        )

    def materialize(self, asset: str) -> str:
        """The id of a run of an asset without partitions, as its page launches it."""
        return self._launched(
            {"pipelineName": "__ASSET_JOB", "assetSelection": [{"path": [asset]}]}, []
        )

    def _launched(self, selected: dict[str, object], tags: list[dict[str, str]]) -> str:
        params = {
            "mode": "default",
            "selector": {**REPOSITORY, **selected},
            "executionMetadata": {"tags": tags},
        }
        answer = self.graphql(LAUNCH, params=params)
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def assets_of(self, group: str) -> list[str]:
        """Those with a partition a date, which runs make."""
        nodes = self.graphql(GROUP, repository=REPOSITORY)["assetNodes"]
        return [
            node["assetKey"]["path"][-1]
            for node in nodes
            if node["groupName"] == group and node["isExecutable"] and node["isPartitioned"]
        ]

    def times_of(self, backfill_id: str) -> list[tuple[float, float]]:
        """When each ended run of the backfill started and ended, the earliest first."""
        return self._times(tags=[{"key": "dagster/backfill", "value": backfill_id}])

    def times_of_run(self, run_id: str) -> list[tuple[float, float]]:
        """Of one run that ended with success; empty before."""
        return self._times(runIds=[run_id], statuses=["SUCCESS"])

    def _times(self, **chosen: object) -> list[tuple[float, float]]:
        runs = self.graphql(RUNS, filter=chosen)["results"]
        return sorted((run["startTime"], run["endTime"]) for run in runs if run["endTime"])

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
        found = self.graphql(TICKS, sensor={**REPOSITORY, "sensorName": sensor})
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

    def table_of(self, asset: str, label: str) -> list[dict[str, Any]]:
        """The rows of that table of the newest materialization."""
        found = self.graphql(PARTITIONS, asset={"path": [asset]})
        newest = max(found["assetMaterializations"], key=lambda event: float(event["timestamp"]))
        (table,) = (
            entry["table"] for entry in newest["metadataEntries"] if entry["label"] == label
        )
        return [json.loads(record) for record in table["records"]]

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

    def worker_tag(self) -> str:
        """By which runs of the intake worker name its process."""
        (pid,) = (
            pid
            for pid, text in of_home(self.home).items()
            if "orchestration.cli.main intake" in text
        )
        return f"{socket.gethostname()}:{pid}"

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
            description = description_of(process)
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


def description_of(process: Path) -> str:
    """Its command, environment and folder, in one text."""
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
