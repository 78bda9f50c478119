"""An alarm of each business date that should have been closed by now and has no report."""

from datetime import datetime, time, timedelta
from typing import Final

import dagster as dg

from cardops.ports import Clock, Notifier

MINIMUM_INTERVAL_SECONDS: Final = 900
RUNBOOK: Final = "docs/runbooks/late-close.md"
# The close starts at 00:30 UTC; books and report are read from six o'clock on.
CLOSED_BY: Final = time(6)
# An incident's key before the date.
LATE_CLOSE: Final = "late-close:"
# Older dates are in the report of the newest, and the nightly close makes them up.
MAX_DATES: Final = 7
CLOSE_JOB: Final = "daily_close"
REPORT: Final = dg.AssetKey("daily_report")


def late_close_sensor() -> dg.SensorDefinition:
    """Looks four times an hour, and requests no runs: the next night closes what was missed."""

    @dg.sensor(
        name="late_close_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        description="Raises an alarm of each business date that has no report by 06:00 UTC of the next day.",
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        notifier: dg.ResourceParam[Notifier],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SkipReason:
        late = late_dates(context, clock.now())
        for day in late:
            notifier.notify(
                f"The close of {day} is late",
                f"There is no daily report of {day} at {CLOSED_BY:%H:%M} UTC of the next day: its books "
                f"were not compared, or the close failed. Launch `daily_close` for {day} in the UI; the "
                "next night closes it, too.",
                runbook=RUNBOOK,
                incident=f"{LATE_CLOSE}{day}",
            )
        still = {f"{LATE_CLOSE}{day}" for day in late}
        notifier.resolve_except(LATE_CLOSE, still, "The report of the date was made.")
        return dg.SkipReason(f"Late: {', '.join(late)}." if late else "No close is late.")

    return sensor


def late_dates(context: dg.SensorEvaluationContext, now: datetime) -> list[str]:
    """The newest dates that are due and have no report, oldest first."""
    repository = context.repository_def
    if repository is None or not repository.has_job(CLOSE_JOB):
        return []
    dates = repository.get_job(CLOSE_JOB).partitions_def
    newest = now.date() - timedelta(days=1 if now.time() >= CLOSED_BY else 2)
    known = dates.get_partition_keys(current_time=now) if dates is not None else []
    due = [day for day in known if day <= newest.isoformat()][-MAX_DATES:]
    if not due:
        return []
    made = context.instance.get_materialized_partitions(REPORT)
    return [day for day in due if day not in made]
