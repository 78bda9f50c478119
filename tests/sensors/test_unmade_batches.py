"""A batch whose own run failed gets a run of its files, at growing intervals."""

from collections.abc import Sequence

import dagster as dg
import pytest

from assets.partitions import batch_networks, batches
from cardops.rules.chargebacks.routing import NETWORKS
from sensors.delivery import RANGE_START
from sensors.intake import BATCHES
from sensors.unmade_batches import parse_cursor, unmade_batch_sensor
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import IntakeWorld, csv_file

pytestmark = pytest.mark.dagster


@dg.asset(partitions_def=batch_networks)
def chargeback_files() -> None: ...


JOB = dg.define_asset_job("chargeback_delivery", selection=[chargeback_files])
SENSOR = unmade_batch_sensor(JOB)
REPOSITORY = dg.Definitions(
    assets=[chargeback_files], jobs=[JOB], sensors=[SENSOR]
).get_repository_def()


def tick(
    world: IntakeWorld, instance: dg.DagsterInstance, cursor: str | None
) -> tuple[Sequence[dg.RunRequest], str | None]:
    context = dg.build_sensor_context(
        instance=instance,
        instance_ref=instance.get_ref(),
        cursor=cursor,
        repository_def=REPOSITORY,
        sensor_name=SENSOR.name,
        resources={
            "intake_ledger": world.intake_ledger,
            "lake": world.lake,
            "clock": world.clock,
        },
    )
    data = SENSOR.evaluate_tick(context)
    for request in data.dynamic_partitions_requests or []:
        assert request.partitions_def_name == BATCHES == batches.name
        instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
    return data.run_requests or [], data.cursor


def test_unmade_batch_gets_runs_at_growing_intervals_until_it_is_made() -> None:
    world = IntakeWorld()
    world.submit("chargebacks", csv_file(CHARGEBACKS, DISPUTED))
    batch_id = "default-2026-11-20-001"
    requested, cursor = list[dg.RunRequest](), None
    with dg.instance_for_test() as instance:
        for _ in range(12):
            runs, cursor = tick(world, instance, cursor)
            requested += runs
            world.clock.advance(minutes=1)
        assert [run.tags[RANGE_START].split("|")[0] for run in requested] == [batch_id] * 2
        for slot in NETWORKS:
            world.intake_ledger.slot_made(batch_id, slot, int(slot == "visa"))
        runs, cursor = tick(world, instance, cursor)

    assert runs == []
    assert parse_cursor(cursor) == {}
    for text in ("nonsense", "[]", '{"a": 1}', '{"a": [1, "2026-11-20T00:00:00"]}'):
        assert parse_cursor(text) == {}
