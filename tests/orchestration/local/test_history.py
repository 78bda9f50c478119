"""Old runs are forgotten, and what the control room shows stays: on Dagster's tables in PostgreSQL.

Time is moved by making what Dagster wrote older, as the columns have it.
"""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import text

from assets.run_history import run_history
from cardops.rules.alarms.incidents import Notice
from cardops.settings import Settings
from orchestration.local.history import History, SettingsHistory
from orchestration.local.instance import OUTPUT_VARIABLE, URL_VARIABLE, open_instance
from sensors.intake import BATCHES
from tests.factories.databases import new_database
from tests.fakes.clock import FakeClock
from tests.fakes.incidents import FakeIncidents

pytestmark = [pytest.mark.dagster, pytest.mark.database]

NOW = datetime.now(UTC)
MONTHS_AGO = timedelta(days=100)
DATES = dg.DailyPartitionsDefinition("2026-01-01")
MADE = dg.DagsterEventType.ASSET_MATERIALIZATION


@dg.asset(partitions_def=DATES)
def dated() -> None:
    """One partition a date."""


@dg.asset
def whole() -> None:
    """Without partitions."""


@dg.asset_check(asset=whole)
def whole_is_right() -> dg.AssetCheckResult:
    """Passes."""
    return dg.AssetCheckResult(passed=True)


@dg.asset(partitions_def=dg.DynamicPartitionsDefinition(name=BATCHES))
def batched() -> None:
    """One partition a batch."""


@pytest.fixture(scope="module")
def instance(
    server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dg.DagsterInstance]:
    settings_home = tmp_path_factory.mktemp("home")
    with (
        pytest.MonkeyPatch.context() as patch,
        new_database(server_url, template=template_database) as url,
    ):
        for name in ("DAGSTER_HOME", URL_VARIABLE, OUTPUT_VARIABLE):
            patch.setenv(name, "")
        with open_instance(Settings(home=settings_home, database_url=url)) as opened:
            yield opened


@pytest.fixture(autouse=True)
def empty(instance: dg.DagsterInstance) -> None:
    for run in instance.get_runs():
        instance.delete_run(run.run_id)
    for table in ("event_logs", "asset_check_executions", "asset_keys", "asset_event_tags"):
        change(instance, f"delete from {table}")  # noqa: S608 - of this list
    for batch in instance.get_dynamic_partitions(BATCHES):
        instance.delete_dynamic_partition(BATCHES, batch)


def change(instance: dg.DagsterInstance, statement: str, **values: Any) -> None:
    storage: Any = instance.run_storage
    with storage.connect() as session:
        session.execute(text(statement), values)


def make_older(instance: dg.DagsterInstance, by: timedelta = MONTHS_AGO) -> None:
    """Whatever was written so far."""
    for table, columns in {
        "runs": ("update_timestamp", "create_timestamp"),
        "event_logs": ("timestamp",),
        "asset_check_executions": ("create_timestamp",),
        "dynamic_partitions": ("create_timestamp",),
    }.items():
        moved = ", ".join(f"{column} = {column} - :by" for column in columns)
        change(instance, f"update {table} set {moved}", by=by)  # noqa: S608 - of this list


def run(instance: dg.DagsterInstance, partition: str | None = None) -> str:
    assets: list[Any] = [whole, whole_is_right] if partition is None else [dated]
    return dg.materialize(assets, partition_key=partition, instance=instance).run_id


def history(instance: dg.DagsterInstance, **more: Any) -> History:
    return History(
        instance,
        before=NOW - timedelta(days=90),
        batches_before=more.pop("batches_before", NOW - timedelta(days=400)),
        **more,
    )


def runs_left(instance: dg.DagsterInstance) -> set[str]:
    return {found.run_id for found in instance.get_runs()}


def test_what_the_pages_show_stays_and_the_rest_of_old_runs_goes(
    instance: dg.DagsterInstance,
) -> None:
    first, second = run(instance, "2026-01-01"), run(instance, "2026-01-02")
    repeated = run(instance, "2026-01-01")
    old_whole, newer_whole = run(instance), run(instance)
    make_older(instance)
    fresh = run(instance)

    pruned = history(instance).prune()

    assert runs_left(instance) == {second, repeated, fresh}
    assert pruned.runs == 3
    assert instance.get_materialized_partitions(dg.AssetKey("dated")) == {
        "2026-01-01",
        "2026-01-02",
    }
    newest = instance.get_latest_materialization_events([dg.AssetKey("whole")])
    assert newest[dg.AssetKey("whole")].run_id == fresh  # type: ignore[union-attr]
    kinds = Counter(
        event.dagster_event_type for event in instance.all_logs(repeated) if event.dagster_event
    )
    assert kinds == {MADE: 1}
    assert (
        instance.all_logs(first)
        == instance.all_logs(old_whole)
        == instance.all_logs(newer_whole)
        == []
    )
    assert len(instance.all_logs(fresh)) > 5, "a run of today keeps its log"


def test_pruning_again_removes_nothing(instance: dg.DagsterInstance) -> None:
    run(instance, "2026-01-01")
    run(instance)
    make_older(instance)
    history(instance).prune()

    assert set(history(instance).prune().counts().values()) == {0}


def test_newest_evaluation_of_a_check_stays_with_its_run(instance: dg.DagsterInstance) -> None:
    run(instance)
    newest = run(instance)
    make_older(instance)

    pruned = history(instance).prune()

    (key,) = whole_is_right.check_keys
    executions = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert [execution.run_id for execution in executions] == [newest]
    assert pruned.check_evaluations == 1
    assert runs_left(instance) == {newest}


def test_run_that_has_not_ended_is_left_alone(instance: dg.DagsterInstance) -> None:
    job = dg.define_asset_job("job", selection=[whole])
    definitions = dg.Definitions(assets=[whole], jobs=[job])
    queued = instance.create_run_for_job(
        definitions.resolve_job_def("job"), status=dg.DagsterRunStatus.STARTED
    )
    make_older(instance)

    history(instance).prune()

    assert runs_left(instance) == {queued.run_id}


def test_events_of_no_run_are_reduced_to_the_newest(instance: dg.DagsterInstance) -> None:
    for number in range(3):
        instance.report_runless_asset_event(dg.AssetObservation("whole", metadata={"n": number}))
    make_older(instance)

    assert history(instance).prune().events == 2

    seen = instance.fetch_observations(dg.AssetKey("whole"), limit=10).records
    assert [
        record.asset_observation.metadata["n"].value for record in seen if record.asset_observation
    ] == [2]


def test_old_batches_are_forgotten_and_newer_ones_are_not(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions(BATCHES, ["default-2025-01-01-001"])
    dg.materialize([batched], partition_key="default-2025-01-01-001", instance=instance)
    make_older(instance, timedelta(days=500))
    instance.add_dynamic_partitions(BATCHES, ["default-2026-01-01-001"])
    dg.materialize([batched], partition_key="default-2026-01-01-001", instance=instance)

    pruned = history(instance).prune()

    assert instance.get_dynamic_partitions(BATCHES) == ["default-2026-01-01-001"]
    assert instance.get_materialized_partitions(dg.AssetKey("batched")) == {
        "default-2026-01-01-001"
    }
    assert (pruned.batch_partitions, pruned.runs) == (1, 1)


def test_output_of_old_runs_is_removed(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    for name, age in (("old", 100), ("new", 1)):
        folder = tmp_path / name / "compute_logs"
        folder.mkdir(parents=True)
        (folder / "step.err").write_text("x")
        then = (NOW - timedelta(days=age)).timestamp()
        os.utime(tmp_path / name, (then, then))

    assert history(instance, output=tmp_path).prune().output_folders == 1
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_asset_shows_what_was_removed_and_how_large_the_tables_are(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OUTPUT_VARIABLE, str(tmp_path))
    run(instance, "2026-01-01")
    run(instance, "2026-01-01")
    make_older(instance)
    incidents = FakeIncidents(FakeClock(NOW - timedelta(days=401)))
    for name in ("over", "open"):
        incidents.report(Notice(name, "Late", "late"), [])
    incidents.resolve("over", "It came.", [])
    resource = SettingsHistory(Settings(home=tmp_path), FakeClock(NOW), incidents)

    result = dg.materialize([run_history], resources={"history": resource}, instance=instance)

    (made,) = result.asset_materializations_for_node("run_history")
    assert made.metadata["runs_removed"].value == 1
    assert made.metadata["alarms_removed"].value == 1
    assert [*incidents.by_key] == ["open"]
    sizes = [
        value.value
        for name, value in made.metadata.items()
        if name.endswith("_bytes") and isinstance(value.value, int)
    ]
    assert made.metadata["bytes"].value == sum(sizes) > 0


def test_tables_that_are_not_in_postgresql_are_refused() -> None:
    with (
        dg.DagsterInstance.ephemeral() as elsewhere,
        pytest.raises(TypeError, match="Only tables in PostgreSQL"),
    ):
        history(elsewhere).prune()
