"""The sensor of deadlines raises alarms and requests no run."""

from datetime import date

import dagster as dg

from sensors.dispute_deadlines import dispute_deadline_sensor
from tests.factories.dispute_queues import QueueWorld


def test_sensor_raises_alarms_of_near_deadlines_once() -> None:
    world = QueueWorld()
    world.put("c1", reply_by_on=date(2026, 11, 22), clock="feed")
    sensor = dispute_deadline_sensor()
    context = dg.build_sensor_context(
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

    first, second = (sensor.evaluate_tick(context) for _ in range(2))

    assert first.run_requests == []
    assert (first.skip_message, second.skip_message) == ("Alarms raised: 1.", "Alarms raised: 0.")
    assert len(world.notifier.alarms) == 1
