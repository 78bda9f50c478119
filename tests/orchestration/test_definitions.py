"""The code location loads with an empty environment, and its parts fit together."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import assets.daily_closes
from assets.daily_closes import CLOSE_STARTS, CLOSED_BY
from assets.marts import POOL
from assets.partitions import batch_networks, networks
from cardops.contracts.kinds.registry import KINDS
from cardops.rules.intake.files import Kind
from orchestration.definitions import build_defs
from orchestration.freshness import DEADLINE, NOT_BEFORE
from orchestration.jobs import JOBS
from orchestration.schedules import CLOSE_AT
from sensors.delivery import delivery_tags
from sensors.intake import INTAKE_PRIORITY, PRIORITY_TAG
from tests.factories.intake import A_DAY

pytestmark = pytest.mark.dagster
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lean() -> dg.RepositoryDefinition:
    return build_defs(with_dbt=False).get_repository_def()


def test_definitions_load_with_an_empty_environment(tmp_path: Path) -> None:
    program = (
        "import os; os.environ.clear()\n"
        "from orchestration.definitions import build_defs\n"
        "build_defs(with_dbt=False).get_repository_def()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_definitions_without_dbt_load_no_dagster_dbt() -> None:
    program = (
        "import sys\n"
        "from orchestration.definitions import build_defs\n"
        "build_defs(with_dbt=False).get_repository_def()\n"
        "sys.exit('dagster_dbt' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, check=False)

    assert done.returncode == 0


def test_partitions_of_every_asset_fit_those_it_reads(lean: dg.RepositoryDefinition) -> None:
    lean.asset_graph.validate_partitions()


def test_no_job_makes_the_checks_that_a_build_yields_itself() -> None:
    repository = build_defs().get_repository_def()
    named = [repository.get_job(name) for name in (*JOBS, "daily_close")]
    nodes = {node.name for job in named for node in job.nodes}

    assert {"deposits", "exporting", "dbt_models"} <= nodes
    assert "source_tests" not in nodes


def test_runs_that_build_or_publish_marts_are_in_one_pool_and_no_others() -> None:
    """The second waits in Dagster's queue: intake, deliveries and balances never wait for marts in it."""
    repository = build_defs().get_repository_def()
    every = repository.get_implicit_global_asset_job_def()
    jobs = [repository.get_job(name) for name in (*JOBS, "daily_close")]
    marts = [
        every.get_subset(asset_selection={dg.AssetKey(name)})
        for name in ("dim_dates", "published_marts")
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        pools = {job.name: pools_of(instance, job) for job in jobs}
        of_marts = [pools_of(instance, job) for job in marts]

    assert pools == {**{name: set() for name in JOBS}, "daily_close": {POOL}}
    assert of_marts == [{POOL}, {POOL}]


def pools_of(instance: dg.DagsterInstance, job: dg.JobDefinition) -> set[str]:
    """The pools in which a run of the job must have a place before it leaves the queue."""
    found = instance.create_run_for_job(job).run_op_concurrency
    return set(found.all_pools or ()) if found else set()


def test_every_kind_has_a_job_and_a_sensor(lean: dg.RepositoryDefinition) -> None:
    jobs = {job.name for job in lean.get_all_jobs()}
    sensors = {sensor.name for sensor in lean.sensor_defs}

    assert {profile.job_name for profile in KINDS.values()} | {
        "chargeback_delivery",
        "daily_close",
        "full_reconciliation",
    } <= jobs
    assert {f"{kind.removesuffix('s')}_arrival_sensor" for kind in KINDS} <= sensors
    assert {"chargeback_delivery_sensor", "run_failure_sensor"} <= sensors


def test_daily_close_finds_fraud_rings_though_they_have_no_partitions(
    lean: dg.RepositoryDefinition,
) -> None:
    made = lean.get_job("daily_close").asset_layer.executable_asset_keys
    partitions = lean.get_job("daily_close").partitions_def

    assert dg.AssetKey("fraud_rings") in made
    assert partitions == lean.asset_graph.get(dg.AssetKey("balances")).partitions_def


@pytest.mark.parametrize("asked", ["balances", "transaction_log"])
def test_balances_and_their_log_are_made_together(
    lean: dg.RepositoryDefinition, asked: str
) -> None:
    """The UI adds the other to whichever is launched: postings that the log lacks keep marts from being published."""
    made = lean.asset_graph.get(dg.AssetKey(asked)).execution_set_entity_keys

    assert made == {dg.AssetKey("balances"), dg.AssetKey("transaction_log")}


def test_every_asset_is_in_a_known_group(lean: dg.RepositoryDefinition) -> None:
    graph = lean.asset_graph
    groups = {graph.get(key).group_name for key in graph.materializable_asset_keys}

    assert groups <= {"intake", "balances", "chargebacks", "delivery", "analytics", "control"}


@pytest.mark.parametrize("kind", list(KINDS))
def test_sensor_run_config_is_valid_for_its_job(kind: Kind, lean: dg.RepositoryDefinition) -> None:
    config = {"ops": {kind: {"config": {"intake_ids": [1, 2]}}}}

    assert dg.validate_run_config(lean.get_job(KINDS[kind].job_name), config)


def test_delivery_run_covers_the_four_networks_of_its_batch_only() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("chargeback_batch", ["a-1", "b-1", "c-1"])
        tags = delivery_tags("b-1")
        keys = batch_networks.get_partition_keys_in_range(
            dg.PartitionKeyRange(
                tags["dagster/asset_partition_range_start"],
                tags["dagster/asset_partition_range_end"],
            ),
            dynamic_partitions_store=instance,
        )

    assert sorted(keys) == sorted(f"b-1|{network}" for network in networks.get_partition_keys())


def test_partitions_begin_with_the_first_business_date_of_a_home() -> None:
    first = date(2026, 11, 20)
    graph = build_defs(with_dbt=False, first_date=first).get_repository_def().asset_graph
    starts = {
        node.partitions_def.start.date()
        for node in graph.asset_nodes
        if isinstance(node.partitions_def, dg.TimeWindowPartitionsDefinition)
    }

    assert starts == {first}
    graph.validate_partitions()


def requested_on(day: int, schedule: str, instance: dg.DagsterInstance) -> dict[str, int]:
    """The dates that a schedule requests at half past midnight of that day, where dates begin on the 20th.

    Each with its priority, in the order in which the queue takes them.
    """
    repository = build_defs(with_dbt=False, first_date=date(2026, 11, 20)).get_repository_def()
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime(2026, 11, day, 0, 30, tzinfo=UTC),
        repository_def=repository,
    ) as context:
        ticked = repository.get_schedule_def(schedule).evaluate_tick(context)
    requests = ticked.run_requests or []
    assert bool(ticked.skip_message) is not bool(requests)
    found = {
        request.partition_key or "": int(request.tags.get(PRIORITY_TAG, "0"))
        for request in requests
    }
    return dict(sorted(found.items(), key=lambda dated: -dated[1]))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        yield opened


@pytest.mark.parametrize("schedule", ["daily_close_schedule", "full_reconciliation_schedule"])
@pytest.mark.parametrize(("day", "requested"), [(20, []), (21, ["2026-11-20"])])
def test_date_before_the_first_is_not_closed(
    schedule: str, day: int, requested: list[str], instance: dg.DagsterInstance
) -> None:
    assert list(requested_on(day, schedule, instance)) == requested


def test_missed_dates_are_closed_before_the_one_that_ended(instance: dg.DagsterInstance) -> None:
    for day in ("2026-11-20", "2026-11-22"):
        made = dg.AssetMaterialization("daily_report", partition=day)
        instance.report_runless_asset_event(made)
    # One is being closed already.
    instance.create_run_for_job(
        build_defs(with_dbt=False).resolve_job_def("daily_close"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": "2026-11-23"},
    )

    assert list(requested_on(25, "daily_close_schedule", instance)) == ["2026-11-21", "2026-11-24"]


def test_date_that_was_closed_before_it_ended_is_closed_again(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As somebody may launch it. The clock of materializations is real, so the date's end is moved."""
    ends = {"2026-11-21": datetime.now(UTC).timestamp() + 3_600}
    monkeypatch.setattr(assets.daily_closes, "_end_of", lambda day: ends.get(day, 0.0))
    for day in ("2026-11-20", "2026-11-21"):
        made = dg.AssetMaterialization("daily_report", partition=day)
        instance.report_runless_asset_event(made)

    assert list(requested_on(23, "daily_close_schedule", instance)) == ["2026-11-21", "2026-11-22"]


def test_many_missed_dates_are_closed_night_by_night(instance: dg.DagsterInstance) -> None:
    dates = requested_on(30, "daily_close_schedule", instance)

    assert list(dates) == [f"2026-11-{day}" for day in (*range(20, 27), 29)]


def test_a_close_comes_before_a_backfill_of_marts_and_after_intake(
    instance: dg.DagsterInstance, lean: dg.RepositoryDefinition
) -> None:
    """A backfill has priority 0; with that, a close would wait for each of its dates."""
    launched = int(lean.get_job("daily_close").tags[PRIORITY_TAG])
    scheduled = requested_on(30, "daily_close_schedule", instance).values()

    assert 0 < launched < min(scheduled) < max(scheduled) < int(INTAKE_PRIORITY)


def test_every_asset_has_an_owner_a_subject_a_description_and_a_runbook_that_exists() -> None:
    pages = "http://127.0.0.1:8090"
    repository = build_defs(pages_url=pages).get_repository_def()
    nodes = [node for node in repository.asset_graph.asset_nodes if node.is_materializable]
    assert len(nodes) > 100

    for node in nodes:
        name = node.key.to_user_string()
        assert node.owners, name
        assert any(tag.startswith("cardops/") for tag in node.tags), name
        assert node.description, name
        link = str(node.metadata["runbook"].value)
        assert (ROOT / link.removeprefix(f"{pages}/")).is_file(), name


def test_a_search_for_disputes_finds_the_assets_of_disputes(lean: dg.RepositoryDefinition) -> None:
    found = {
        node.key.to_user_string()
        for node in lean.asset_graph.asset_nodes
        if any("dispute" in tag for tag in node.tags)
    }

    assert {"chargebacks", "chargeback_files", "chargeback_deliveries"} <= found


def test_every_table_of_ours_shows_its_columns_with_types_and_meanings() -> None:
    graph = build_defs().get_repository_def().asset_graph
    named = {node.key.to_user_string(): node.metadata for node in graph.asset_nodes}
    shown = {name: schema_of(named[name]) for name in (*KINDS, "balances", "transaction_log")}
    without = [
        f"{name}.{column.name}"
        for name, columns in shown.items()
        for column in columns.values()
        if not column.description
    ]

    assert without == []
    assert shown["deposits"]["amount_minor"].type == "BIGINT"
    assert shown["deposits"]["flags"].type == "VARCHAR[]"
    assert "columns_of_fraud_ring_members" in named["fraud_rings"]
    # A file has decimals where the lake has minor units.
    amount = schema_of(named["chargeback_files"])["dispute_amount"]
    assert "the digits of dispute_currency" in str(amount.description)
    assert "Made from dispute_amount_minor, dispute_currency of chargebacks." in str(
        amount.description
    )


def schema_of(metadata: Mapping[str, Any]) -> dict[str, dg.TableColumn]:
    found = metadata["dagster/column_schema"]
    schema = found if isinstance(found, dg.TableSchema) else found.value
    return {column.name: column for column in schema.columns}


def test_pages_that_show_the_present_are_linked() -> None:
    pages = "http://127.0.0.1:8090"
    graph = build_defs(with_dbt=False, pages_url=pages).get_repository_def().asset_graph

    deliveries = graph.get(dg.AssetKey("chargeback_deliveries")).metadata
    deposits = graph.get(dg.AssetKey("deposits")).metadata

    assert deliveries["batches_and_networks_now"].value == f"{pages}/deliveries"
    assert deposits["quarantine_now"].value == f"{pages}/quarantine"


def test_every_asset_of_the_close_has_the_deadline_that_is_watched() -> None:
    """`late_close_sensor` raises the alarm; the policy shows the same in the UI."""
    repository = build_defs().get_repository_def()
    closing = repository.get_job("daily_close").asset_layer.executable_asset_keys
    by_clock = {
        node.key
        for node in repository.asset_graph.asset_nodes
        if node.freshness_policy and not hasattr(node.freshness_policy, "fail_window")
    }
    begins = datetime.combine(A_DAY, CLOSED_BY) - NOT_BEFORE

    assert len(set(closing)) > 100
    assert by_clock == set(closing)
    assert f"{CLOSED_BY.minute} {CLOSED_BY.hour} * * *" == DEADLINE
    assert begins.time() == CLOSE_STARTS
    assert f"{CLOSE_STARTS.minute} {CLOSE_STARTS.hour} * * *" == CLOSE_AT
