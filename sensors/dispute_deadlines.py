"""Alarms of disputes that are to be answered soon, or were not answered in time."""

from typing import Final

import dagster as dg

from cardops.ports import Clock, DisputeAlarms, DisputeRecords, Disputes, Notifier
from cardops.services.disputes.alarms import DeadlineAlarms, RaisedAlarms
from sensors.digests import digest

MINIMUM_INTERVAL_SECONDS: Final = 3_600


def dispute_deadline_sensor() -> dg.SensorDefinition:
    """Looks once an hour at the days left of every open dispute, where they can have changed. It requests no runs."""

    @dg.sensor(
        name="dispute_deadline_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        description="Raises an alarm 7, 3 and 1 days before a dispute's deadline, and when it is missed.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        disputes: dg.ResourceParam[Disputes],
        dispute_records: dg.ResourceParam[DisputeRecords],
        dispute_alarms: dg.ResourceParam[DisputeAlarms],
        clock: dg.ResourceParam[Clock],
        notifier: dg.ResourceParam[Notifier],
    ) -> dg.SensorResult:
        service = DeadlineAlarms(disputes, dispute_records, dispute_alarms, clock)
        # Before the look: what comes meanwhile is looked at again.
        state = digest(service.state())
        if state == context.cursor:
            found = RaisedAlarms((), service.unconfirmed())
        else:
            found = service.raise_due(notifier)
        text = f"Alarms raised: {len(found.raised)}."
        if found.unconfirmed:
            text += (
                f" {len(found.unconfirmed)} earlier ones may not have been sent; "
                "`cardops disputes alarms` names them."
            )
        return dg.SensorResult(skip_reason=text, cursor=state)

    return sensor
