"""Alarms of rows that wait too long for their reference."""

from typing import Final

import dagster as dg

from cardops.ports import Clock, Notifier, WaitingList
from cardops.services.intake.overdue_rows import OverdueRowsService

MINIMUM_INTERVAL_SECONDS: Final = 60


def waiting_rows_sensor() -> dg.SensorDefinition:
    """Looks for rows past their deadline. It requests no runs."""

    @dg.sensor(
        name="waiting_rows_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        description="Raises an alarm once of rows that wait too long for their reference.",
    )
    def sensor(
        waiting_list: dg.ResourceParam[WaitingList],
        clock: dg.ResourceParam[Clock],
        notifier: dg.ResourceParam[Notifier],
    ) -> dg.SkipReason:
        found = OverdueRowsService(waiting_list, clock).report(notifier)
        rows = sum(overdue.row_count for overdue in found)
        return dg.SkipReason(f"{rows} rows are overdue." if rows else "No row is newly overdue.")

    return sensor
