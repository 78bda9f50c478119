"""Sensors that follow runs: a batch's delivery after its intake, an alarm after a failure."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterInstance

from assets.partitions import batches
from sensors.delivery import chargeback_delivery_sensor
from sensors.run_failure import run_failure_sensor
from tests.fakes.notifier import FakeNotifier

pytestmark = pytest.mark.dagster
BATCH = "default-2026-11-20-001"


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@dg.op
def failing() -> None:
    try:
        raise OSError("disk full")  # noqa: TRY301 - the cause under test
    except OSError as error:
        raise RuntimeError("The lake could not be written.") from error


@dg.job
def deposit_intake() -> None:
    failing()


@dg.asset(partitions_def=batches)
def chargebacks() -> None: ...


def test_ingested_batch_is_delivered_in_one_run(instance: DagsterInstance) -> None:
    @dg.job
    def chargeback_delivery() -> None: ...

    intake = dg.define_asset_job("chargeback_intake", selection=[chargebacks])
    sensor = chargeback_delivery_sensor(intake, chargeback_delivery)
    repository = dg.Definitions(
        assets=[chargebacks], jobs=[intake, chargeback_delivery], sensors=[sensor]
    ).get_repository_def()
    instance.add_dynamic_partitions("chargeback_batch", [BATCH])
    done = repository.get_job("chargeback_intake").execute_in_process(
        instance=instance, partition_key=BATCH
    )
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=done.get_run_success_event(),
        dagster_instance=instance,
        dagster_run=done.dagster_run,
        repository_def=repository,
    )

    yielded: Any = sensor(context)
    (request,) = list(yielded)

    assert request.run_key == done.run_id, "requested twice for one intake, it runs once"
    assert request.tags["dagster/asset_partition_range_start"].startswith(f"{BATCH}|")
    assert request.tags["dagster/asset_partition_range_end"].startswith(f"{BATCH}|")
    assert request.tags["dagster/max_retries"] == "3"


def test_failed_run_raises_an_alarm_with_innermost_error_and_runbook(
    instance: DagsterInstance,
) -> None:
    failed = deposit_intake.execute_in_process(
        instance=instance, raise_on_error=False, tags={"dagster/partition": "2026-11-20"}
    )
    notifier = FakeNotifier()
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failure_sensor",
        dagster_event=failed.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=failed.dagster_run,
        resources={"notifier": notifier},
    ).for_run_failure()

    run_failure_sensor()(context)

    ((subject, message, runbook),) = notifier.alarms
    assert subject == "Run of deposit_intake failed for 2026-11-20"
    assert failed.run_id in message
    assert "2026-11-20" in message
    assert "disk full" in message
    assert runbook == "docs/runbooks/run-failure.md"
