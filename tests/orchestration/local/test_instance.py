"""The Dagster instance: Dagster accepts its settings, and a crash leaves no run open."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.instance.ref import InstanceRef
from dagster._core.scheduler.instigation import TickData, TickStatus
from sqlalchemy import event

from cardops.adapters.postgresql import connection
from cardops.bootstrap import Adapters
from cardops.settings import Settings
from orchestration.local.instance import (
    DAGSTER_YAML,
    OUTPUT_VARIABLE,
    URL_VARIABLE,
    end_leftover_runs,
    open_instance,
)
from sensors.processes import PROCESS_TAG, is_process_alive, process_tag
from tests.factories.own_homes import own_home
from tests.factories.waiting import wait_until

pytestmark = pytest.mark.dagster
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def a_run(
    instance: dg.DagsterInstance, number: int, status: dg.DagsterRunStatus, tag: str | None
) -> str:
    run = dg.DagsterRun(
        job_name="deposit_intake",
        run_id=f"{number:032x}",
        tags={PROCESS_TAG: tag} if tag else {},
    ).with_status(status)
    instance.add_run(run)
    return run.run_id


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_only_runs_whose_process_is_gone_are_failed(instance: dg.DagsterInstance) -> None:
    host = process_tag().rpartition(":")[0]
    started = dg.DagsterRunStatus.STARTED
    gone = a_run(instance, 1, started, f"{host}:{ended_process()}")
    of_a_server = a_run(instance, 2, started, None)
    own = a_run(instance, 3, started, process_tag())
    elsewhere = a_run(instance, 4, started, "another-machine:1")
    done = a_run(instance, 5, dg.DagsterRunStatus.SUCCESS, f"{host}:{ended_process()}")

    assert end_leftover_runs(instance) == 2

    failed = dg.DagsterRunStatus.FAILURE
    assert [status_of(instance, run) for run in (gone, of_a_server)] == [failed, failed]
    assert [status_of(instance, run) for run in (own, elsewhere)] == [started, started]
    assert status_of(instance, done) is dg.DagsterRunStatus.SUCCESS
    assert end_leftover_runs(instance) == 0


def test_process_is_alive_until_it_has_ended() -> None:
    host = process_tag().rpartition(":")[0]

    assert is_process_alive(f"{host}:{os.getpid()}")
    assert not is_process_alive(f"{host}:mine")
    assert not is_process_alive(f"{host}:{ended_process()}")


def loaded(folder: Path, text: str) -> InstanceRef:
    """The settings as Dagster reads them from its home."""
    (folder / "dagster.yaml").write_text(text)
    return InstanceRef.from_dir(str(folder))


@pytest.mark.parametrize(
    "text", [DAGSTER_YAML, (ROOT / "deploy" / "dagster.yaml").read_text()], ids=["home", "deploy"]
)
def test_dagster_accepts_the_instances_settings(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL_VARIABLE, "postgresql+psycopg2://user@localhost/cardops")
    monkeypatch.setenv("CARDOPS_COMPUTE_LOGS_BUCKET", "logs")
    monkeypatch.setenv(OUTPUT_VARIABLE, str(tmp_path))

    reference = loaded(tmp_path, text)
    settings: Mapping[str, Any] = reference.settings

    assert settings["telemetry"] == {"enabled": False}
    assert settings["freshness"] == {"enabled": True}
    assert settings["run_monitoring"]["enabled"]
    assert reference.run_coordinator_data is not None
    places = settings["concurrency"]["runs"]
    limits = {limit["key"]: limit["limit"] for limit in places["tag_concurrency_limits"]}
    # A backfill never takes the last place.
    assert 0 < limits["dagster/backfill"] < places["max_concurrent_runs"]
    # Nor does a run that waits for another's marts.
    assert settings["concurrency"]["pools"] == {"granularity": "run", "default_limit": 1}


@pytest.mark.parametrize("text", ["run_queue: {nonsense: 1}", "sensors: {num_workers: many}"])
def test_dagster_refuses_unknown_settings(text: str, tmp_path: Path) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        loaded(tmp_path, text)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with an embedded server, which this process uses until the test ends."""
    with own_home() as settings:
        yield settings.home


@pytest.mark.database
def test_pooled_connections_survive_a_restart_of_the_database(home: Path) -> None:
    settings = Settings(home=home)
    watch = Adapters(settings).database_watch
    assert watch is not None
    with open_instance(settings) as instance:
        assert instance.get_runs() == []
        pid_file = home / "postgres" / "cluster" / "data" / "postmaster.pid"
        os.kill(int(pid_file.read_text().split("\n", 1)[0]), signal.SIGKILL)
        wait_until(lambda: watch.outage_count and watch.outage is None, "the server's next start")

        # The first statement on a pooled connection that has lost its server.
        assert instance.get_runs() == []


def server_process(storage: Any) -> Any:
    """Process id of the server behind the storage's next connection."""
    connect = getattr(storage, "connect", None) or storage.index_connection
    with connect() as session:
        return session.exec_driver_sql("select pg_backend_pid()").scalar()


@pytest.mark.database
def test_instances_of_a_process_share_connections_also_in_the_webserver(home: Path) -> None:
    with open_instance(Settings(home=home)) as first:
        assert first.get_runs() == []
        used = server_process(first.run_storage)
        # As the code server makes an instance for each tick of a sensor.
        with dg.DagsterInstance.from_ref(first.get_ref()) as second:
            second.optimize_for_webserver(statement_timeout=1, pool_recycle=1, max_overflow=1)
            parts: list[Any] = [
                second.run_storage, second.event_log_storage, second.schedule_storage
            ]  # fmt: skip
            assert [server_process(part) for part in parts] == [used, used, used]
            events: Any = second.event_log_storage
            assert events._instance is second
        assert server_process(first.run_storage) == used


@pytest.mark.database
def test_schedule_storage_looks_for_tables_and_indexes_once(home: Path) -> None:
    with open_instance(Settings(home=home)) as instance:
        schedules: Any = instance.schedule_storage
        assert schedules.supports_batch_queries
        statements = list[str]()
        engine = schedules._engine
        event.listen(engine, "before_cursor_execute", lambda *said: statements.append(said[2]))

        assert schedules.supports_batch_queries
        assert schedules.get_instigator_state("none", "none") is None

        assert len(statements) == 1
        assert not schedules.has_built_index("of a later version")
        assert len(statements) > 1


def a_tick(instance: dg.DagsterInstance, sensor: str, timestamp: float) -> None:
    data = TickData(
        sensor, sensor, InstigatorType.SENSOR, TickStatus.SKIPPED, timestamp, selector_id=sensor
    )
    instance.create_tick(data)


@pytest.mark.database
def test_old_ticks_of_each_sensor_are_deleted_once_an_hour(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left(sensor: str) -> int:
        return len(instance.get_ticks(sensor, sensor))

    def purge() -> None:
        for sensor in ("first", "second"):
            instance.purge_ticks(sensor, sensor, before=50.0, tick_statuses=[TickStatus.SKIPPED])

    seconds = [1_000.0]
    with open_instance(Settings(home=home)) as instance:
        monkeypatch.setattr(instance.schedule_storage, "_clock", lambda: seconds[0])
        for timestamp in (1.0, 100.0):
            a_tick(instance, "first", timestamp)
            a_tick(instance, "second", timestamp)
        purge()
        assert (left("first"), left("second")) == (1, 1)
        a_tick(instance, "first", 2.0)
        seconds[0] += 3_599
        purge()
        assert left("first") == 2
        seconds[0] += 1
        purge()
        assert left("first") == 1


@pytest.mark.database
def test_only_dagsters_commits_do_not_wait_for_the_disk(home: Path) -> None:
    settings = Settings(home=home)
    shown = "show synchronous_commit"
    with open_instance(settings) as instance:
        runs: Any = instance.run_storage
        events: Any = instance.event_log_storage
        for opened in (runs.connect(), events.index_connection()):
            with opened as session:
                assert session.exec_driver_sql(shown).scalar() == "off"

    with connection.connect(Adapters(settings).database.url) as session:
        assert session.execute(shown).fetchone() == ("on",)


@pytest.mark.database
def test_dagsters_commits_on_a_given_database_do_not_wait_either(
    empty_database_url: str, tmp_path: Path
) -> None:
    given = Settings(home=tmp_path, database_url=empty_database_url.partition("&options")[0])
    with (
        connection.database(given) as addresses,
        connection.connect(addresses.url) as ours,
        connection.connect(addresses.dagster_url) as dagsters,
    ):
        shown = [each.execute("show synchronous_commit").fetchone() for each in (ours, dagsters)]

    assert shown == [("on",), ("off",)]
