"""An alarm when no business date has become final for two nights."""

from typing import Final

import dagster as dg

from cardops.ports import Books, Clock, Notifier
from cardops.services.reconciliation.watermark_age import WatermarkAge
from sensors.late_close import first_date

MINIMUM_INTERVAL_SECONDS: Final = 900


def watermark_age_sensor() -> dg.SensorDefinition:
    """Looks four times an hour, and requests no runs: the nightly close makes dates final."""

    @dg.sensor(
        name="watermark_age_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        description="Raises an alarm when no business date has become final for two nights.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        books: dg.ResourceParam[Books],
        clock: dg.ResourceParam[Clock],
        notifier: dg.ResourceParam[Notifier],
    ) -> dg.SkipReason:
        first = first_date(context.repository_def)
        if first is None:
            return dg.SkipReason("No date is over yet.")
        watermark = WatermarkAge(books, clock, first).report(notifier)
        hours = watermark.age.total_seconds() / 3600
        return dg.SkipReason(
            f"The newest final date is {watermark.newest}, which ended {hours:.0f} hours ago."
            if watermark.newest
            else f"No date is final yet; the first began {hours:.0f} hours ago."
        )

    return sensor
