"""Alarms of files that wait for an approval, or for too long for their control file."""

from typing import Final

import dagster as dg

from cardops.ports import Clock, IntakeLedger, Notifier, ObjectStore, SourceControls
from cardops.services.intake.held_files import HeldFiles

MINIMUM_INTERVAL_SECONDS: Final = 60


def held_file_sensor() -> dg.SensorDefinition:
    """Tells an operator once of each held file that needs a person. It requests no runs."""

    @dg.sensor(
        name="held_file_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        description="Raises an alarm once of each held deposit file that needs a person.",
    )
    def sensor(
        source_controls: dg.ResourceParam[SourceControls],
        intake_ledger: dg.ResourceParam[IntakeLedger],
        raw_store: dg.ResourceParam[ObjectStore],
        failed_store: dg.ResourceParam[ObjectStore],
        clock: dg.ResourceParam[Clock],
        notifier: dg.ResourceParam[Notifier],
    ) -> dg.SkipReason:
        held = HeldFiles(source_controls, intake_ledger, raw_store, failed_store, clock)
        ids = ", ".join(str(file.intake_id) for file in held.report(notifier))
        return dg.SkipReason(f"Held and overdue: {ids}." if ids else "No held file is overdue.")

    return sensor
