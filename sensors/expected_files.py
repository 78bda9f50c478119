"""Alarms of files that were due and did not arrive, and of their late arrival."""

from typing import Final

import dagster as dg

from cardops.ports import Clock, ExpectedFiles, Notifier
from cardops.services.intake.expected_files import ExpectedFileService

MINIMUM_INTERVAL_SECONDS: Final = 60


def expected_file_sensor() -> dg.SensorDefinition:
    """Compares the calendar of expected files with what arrived. It requests no runs."""

    @dg.sensor(
        name="expected_file_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        description="Raises an alarm once of each expected file that is late.",
    )
    def sensor(
        expected_files: dg.ResourceParam[ExpectedFiles],
        clock: dg.ResourceParam[Clock],
        notifier: dg.ResourceParam[Notifier],
    ) -> dg.SkipReason:
        missing = ExpectedFileService(expected_files, clock).report(notifier)
        names = ", ".join(
            f"{judged.due.expected.name} of {judged.due.due_on}" for judged in missing
        )
        return dg.SkipReason(f"Missing: {names}." if missing else "No expected file is missing.")

    return sensor
