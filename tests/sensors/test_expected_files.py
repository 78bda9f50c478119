"""The sensor of expected files says what is missing and requests no run."""

from datetime import timedelta

import dagster as dg

from sensors.expected_files import expected_file_sensor
from tests.factories.expected_files import an_expected_file
from tests.fakes.clock import FakeClock
from tests.fakes.expected_files import FakeExpectedFiles
from tests.fakes.notifier import FakeNotifier


def test_sensor_alarms_of_a_late_file_and_says_which_is_missing() -> None:
    clock, notifier = FakeClock(), FakeNotifier()
    calendar = FakeExpectedFiles(clock)
    calendar.add(an_expected_file())
    clock.at += timedelta(days=1)
    sensor = expected_file_sensor()
    context = dg.build_sensor_context(
        definitions=dg.Definitions(sensors=[sensor]),
        sensor_name=sensor.name,
        resources={"expected_files": calendar, "clock": clock, "notifier": notifier},
    )

    data = sensor.evaluate_tick(context)

    assert data.run_requests == []
    assert data.skip_message == "Missing: bank of 2026-11-21."
    assert [runbook for _, _, runbook in notifier.alarms] == ["docs/runbooks/late-file.md"]
