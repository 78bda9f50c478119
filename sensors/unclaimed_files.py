"""Files that lie where nobody claims them: shown on their asset, and alarms of their folders."""

from typing import Final

import dagster as dg

from assets.unclaimed_files import (
    ASSET,
    MISPLACED_FILES,
    UNFINISHED_FILES,
    Look,
    check_of,
    metadata_of,
)
from cardops.ports import Clock, IntakeLedger, Notifier, ObjectStore
from cardops.services.intake.unclaimed_files import UnclaimedFiles, raise_alarms
from sensors.digests import digest

MISPLACED_INTERVAL_SECONDS: Final = 60
# It lists all that ever arrived.
UNFINISHED_INTERVAL_SECONDS: Final = 3600


def unclaimed_file_sensors() -> list[dg.SensorDefinition]:
    """One a look; they request no runs."""
    return [
        _sensor(
            MISPLACED_FILES,
            MISPLACED_INTERVAL_SECONDS,
            "Lists files outside the folders of kinds, and raises an alarm of each folder.",
        ),
        _sensor(
            UNFINISHED_FILES,
            UNFINISHED_INTERVAL_SECONDS,
            "Lists files that kept a temporary name, cannot be read, or are control files without their file.",
        ),
    ]


def _sensor(look: Look, interval: int, description: str) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{look.name}_file_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=interval,
        description=description,
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        raw_store: dg.ResourceParam[ObjectStore],
        clock: dg.ResourceParam[Clock],
        notifier: dg.ResourceParam[Notifier],
        intake_ledger: dg.ResourceParam[IntakeLedger],
    ) -> dg.SensorResult:
        files = look.find(UnclaimedFiles(raw_store, clock, intake_ledger))
        raise_alarms(look.incidents, files, notifier)
        shown, now = digest(f"{file.key} {file.modified_at}" for file in files), clock.now()
        seen = dg.AssetObservation(ASSET, metadata=metadata_of(look, files, now))
        return dg.SensorResult(
            skip_reason=f"{len(files)} files are {look.name}." if files else "None was found.",
            cursor=shown,
            asset_events=[seen, check_of(look, files)] if shown != context.cursor else [],
        )

    return sensor
