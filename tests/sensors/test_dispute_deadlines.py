"""The sensor of deadlines raises alarms, requests no run, and reads the disputes only where an alarm can be due."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import cast

import dagster as dg
import polars as pl
import pytest

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.adapters.warehouse.lake_disputes import DuckDbDisputes
from cardops.rules.chargebacks.queue import RecordKind
from cardops.services.disputes.alarms import CONFIRMED_AFTER
from sensors.dispute_deadlines import dispute_deadline_sensor
from tests.factories.dispute_queues import QueueWorld
from tests.factories.intake_environment import IntakeWorld

NEAR = date(2026, 11, 22)


@pytest.fixture
def world(tmp_path: Path) -> QueueWorld:
    """With one dispute that is to be answered in two days, in a lake of files."""
    lake = ParquetLake(DirectoryStore(tmp_path / "lake"), tmp_path / "mirror")
    world = QueueWorld(IntakeWorld(lake=lake))
    world.put("c1", reply_by_on=NEAR, clock="feed")
    return world


def tick(world: QueueWorld, cursor: str | None = None) -> tuple[str, str]:
    """What a tick with this cursor says, and the cursor that it leaves."""
    sensor = dispute_deadline_sensor()
    context = dg.build_sensor_context(
        cursor=cursor,
        definitions=dg.Definitions(sensors=[sensor]),
        sensor_name=sensor.name,
        resources={
            "disputes": world.disputes,
            "dispute_records": world.records,
            "dispute_alarms": world.alarms,
            "clock": world.intake.clock,
            "notifier": world.notifier,
        },
    )
    data = sensor.evaluate_tick(context)
    assert data.run_requests == []
    return cast(str, data.skip_message), cast(str, data.cursor)


def test_sensor_raises_alarms_of_near_deadlines_once(world: QueueWorld) -> None:
    (first, cursor), (without_cursor, _) = tick(world), tick(world)
    second, _ = tick(world, cursor)

    assert (first, without_cursor, second) == ("Alarms raised: 1.", *["Alarms raised: 0."] * 2)
    assert len(world.notifier.alarms) == 1


# What changes -> the alarms that this raises, and the incidents that it ends.
CHANGES: dict[str, tuple[Callable[[QueueWorld], object], int, list[str]]] = {
    "another dispute": (lambda world: world.put("c2", reply_by_on=NEAR, clock="feed"), 1, []),
    "another date": (lambda world: world.intake.clock.advance(days=1), 1, ["due_in_3"]),
    "a decision": (lambda world: world.record("c1", RecordKind.ACCEPT), 0, ["due_in_3"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_looked_at(world: QueueWorld, change: str) -> None:
    make, raised, ended = CHANGES[change]
    _, cursor = tick(world)
    make(world)

    text, after = tick(world, cursor)

    assert text == f"Alarms raised: {raised}."
    assert after != cursor
    resolved = [key.rpartition("/")[2] for key, _ in world.notifier.resolved]
    assert resolved == ended


def test_disputes_are_read_only_where_something_changed(
    world: QueueWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a date, hour by hour; an alarm that may not have been sent is named all the same."""
    _, cursor = tick(world)
    world.alarms.sent.clear()
    world.intake.clock.advance(seconds=CONFIRMED_AFTER.total_seconds() + 1)

    def read(_self: DuckDbDisputes) -> pl.DataFrame:
        raise AssertionError("nothing changed, and the disputes were read")

    monkeypatch.setattr(DuckDbDisputes, "open_disputes", read)
    text, after = tick(world, cursor)

    assert "1 earlier ones may not have been sent" in text
    assert after == cursor
