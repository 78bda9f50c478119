"""Two instances on one machine share nothing: they differ only in their home."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import connect, database
from tests.factories.databases import new_home
from tests.factories.demo_days import Instance
from tests.servers.warm_command import WarmProcess, command

pytestmark = [pytest.mark.database, pytest.mark.dagster, pytest.mark.timeout(600)]

# The same ids in both with different amounts, so anything shared between them would show.
AMOUNTS = {"first": ("10.00", "20.00"), "second": ("7.00", "0.50")}


@pytest.fixture(scope="module")
def pair() -> Iterator[dict[str, Instance]]:
    with new_home() as first, new_home() as second:
        yield {"first": Instance(first), "second": Instance(second)}


def deposits_of(name: str, folder: Path) -> Path:
    rows = [
        f"d-{number},user_1,{amount},USD,2026-11-01T10:00:00Z"
        for number, amount in enumerate(AMOUNTS[name])
    ]
    file = folder / "deposits.csv"
    file.write_text("\n".join(["deposit_id,user_id,amount,currency,timestamp", *rows, ""]))
    return file


@pytest.fixture(scope="module")
def responses(
    pair: dict[str, Instance], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, object]]:
    """A file submitted to both at the same time, the first start of either included."""
    with ThreadPoolExecutor() as threads:
        running = {}
        for name, instance in pair.items():
            file = deposits_of(name, tmp_path_factory.mktemp(name))
            process = WarmProcess(instance.environment, Path.cwd(), 300)
            arguments = ("submit", str(file), "--kind", "deposits", "--json")
            running[name] = threads.submit(process.run, command, *arguments)
    ended = {name: future.result() for name, future in running.items()}
    for done in ended.values():
        assert done.returncode == 0, done.stderr
    return {name: json.loads(done.stdout) for name, done in ended.items()}


def test_each_instance_ingests_its_own_file(responses: dict[str, dict[str, object]]) -> None:
    for response in responses.values():
        # With a shared ledger the second instance would find the first's ids to be duplicates.
        assert (response["status"], response["accepted"], response["duplicate"]) == (
            "applied",
            2,
            0,
        )


def test_each_instance_has_its_own_server_and_ledger(
    pair: dict[str, Instance], responses: dict[str, dict[str, object]]
) -> None:
    found, servers = {}, set()
    with ExitStack() as ended:
        for name, instance in pair.items():
            addresses = ended.enter_context(database(instance.settings))
            session = ended.enter_context(connect(addresses.url))
            found[name] = session.execute(
                "select user_id, available_minor, (select count(*) from intake_files) from accounts"
            ).fetchall()
            servers.add(session.execute("show data_directory").fetchone())

    assert found == {"first": [("user_1", 3000, 1)], "second": [("user_1", 750, 1)]}
    assert len(servers) == 2


def test_each_instance_shows_only_its_own_run(
    pair: dict[str, Instance], responses: dict[str, dict[str, object]]
) -> None:
    for name, instance in pair.items():
        with database(instance.settings) as addresses, connect(addresses.dagster_url) as session:
            runs = session.execute("select run_id from runs").fetchall()
        assert runs == [(responses[name]["run_id"],)]


def test_each_lake_contains_only_its_own_rows(
    pair: dict[str, Instance], responses: dict[str, dict[str, object]]
) -> None:
    amounts = {}
    for name, instance in pair.items():
        frame = instance.lake.scan("deposits")
        assert frame is not None
        amounts[name] = sorted(frame.select("amount_minor").collect()["amount_minor"].to_list())

    assert amounts == {"first": [1000, 2000], "second": [50, 700]}
