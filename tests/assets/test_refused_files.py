"""A file that cannot be read at all: a failed run that says why, while other files are ingested."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from assets import chargebacks, deposits
from assets.partitions import batches
from assets.refused_files import INTAKE_TAG, refusal_check_name
from cardops.contracts.kinds.chargebacks import CHARGEBACKS
from cardops.contracts.kinds.deposits import DEPOSITS
from cardops.rules.intake.files import FileStatus
from sensors.delivery import refused_batch_delivery_sensor
from sensors.run_failure import run_failure_sensor
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.notifier import FakeNotifier

pytestmark = pytest.mark.dagster

DAY = "2026-11-20"
HEADER = "user_id,amount,deposit_id,timestamp"
GOOD = csv_file(HEADER, "u1,25.00,d1,2026-11-20T10:00:00Z")
NO_TIME = csv_file("user_id,amount,deposit_id", "u1,25.00,d2")
DISPUTED = csv_file(
    "transaction_id,chargeback_amount,dispute_date,currency,card_network",
    "t1,5,2026-11-10,USD,visa",
)
BATCH = "default-2026-11-20-001"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def ingested(
    world: IntakeWorld, instance: dg.DagsterInstance, asset: Any, partition: str, **tags: str
) -> dg.ExecuteInProcessResult:
    resources = {
        name: getattr(world, name) for name in asset.required_resource_keys if name != "io_manager"
    }
    module = {"deposits": deposits, "chargebacks": chargebacks}[asset.key.to_user_string()]
    return dg.materialize(
        [asset, *dg.load_asset_checks_from_modules([module])],
        partition_key=partition,
        resources=resources,
        instance=instance,
        tags=tags,
        raise_on_error=False,
    )


def put(world: IntakeWorld, name: str, content: str) -> int:
    key = f"incoming/deposits/default/{name}"
    world.raw_store.create(key, content.encode())
    return world.claim(key)


def context_of(
    result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, sensor: str, **resources: Any
) -> Any:
    return dg.build_run_status_sensor_context(
        sensor_name=sensor,
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        resources=resources,
    )


def test_refused_file_fails_its_run_and_the_alarm_says_what_to_mend(
    world: IntakeWorld, instance: dg.DagsterInstance
) -> None:
    refused = put(world, "bad.csv", NO_TIME)
    put(world, "good.csv", GOOD)

    result = ingested(world, instance, deposits.deposits, DAY)

    assert not result.success
    entry = world.intake_ledger.find(refused)
    assert entry.status is FileStatus.REFUSED
    assert entry.outcome is not None
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert [check.check_name for check in failed] == [refusal_check_name(DEPOSITS)]
    assert failed[0].description == entry.outcome.error
    assert world.rows("deposits")["deposit_id"].to_list() == ["d1"]
    notifier = FakeNotifier()
    run_failure_sensor()(
        context_of(result, instance, "run_failure_sensor", notifier=notifier).for_run_failure()
    )
    ((_, message, _),) = notifier.alarms
    assert "has no column timestamp" in message
    assert "add it to the header" in message


def test_later_run_of_the_day_is_not_failed_by_an_earlier_refused_file(
    world: IntakeWorld, instance: dg.DagsterInstance
) -> None:
    put(world, "bad.csv", NO_TIME)
    ingested(world, instance, deposits.deposits, DAY)
    good = put(world, "good.csv", GOOD)

    assert ingested(world, instance, deposits.deposits, DAY, **{INTAKE_TAG: str(good)}).success


@pytest.mark.parametrize("is_lake_damaged", [False, True])
def test_batch_with_a_refused_file_is_delivered_unless_another_check_failed(
    world: IntakeWorld, instance: dg.DagsterInstance, *, is_lake_damaged: bool
) -> None:
    for name, content in (("a.csv", DISPUTED), ("b.csv", "no header\n")):
        world.raw_store.create(f"incoming/chargebacks/default/{name}", content.encode())
    arrivals = [world.arrival(key) for key in sorted(world.raw_store.contents)]
    world.intake_ledger.claim_batch(arrivals, world.clock.now().date(), mode="by_network")
    if is_lake_damaged:
        world.lake.write_file = lambda *_: ""  # type: ignore[method-assign]
    instance.add_dynamic_partitions(str(batches.name), [BATCH])
    result = ingested(world, instance, chargebacks.chargebacks, BATCH)
    assert not result.success

    intake, delivery = (dg.define_asset_job(name, [chargebacks.chargebacks]) for name in ("a", "b"))
    sensor: Any = refused_batch_delivery_sensor(intake, delivery)
    (said,) = list(sensor(context_of(result, instance, sensor.name)))

    assert refusal_check_name(CHARGEBACKS) in str(result.get_asset_check_evaluations())
    assert isinstance(said, dg.SkipReason) is is_lake_damaged
    if not is_lake_damaged:
        assert said.run_key == result.run_id
