"""Jobs that start by the clock; those that an event starts are in sensors."""

from datetime import timedelta
from typing import Final

import dagster as dg

# Late enough after midnight UTC for the transactions open at the day's end to have ended.
CLOSE_AT: Final = "30 0 * * *"


def schedules() -> list[dg.ScheduleDefinition]:
    """All schedules; each runs unless an operator stops it."""
    return [daily_close_schedule]


@dg.schedule(
    cron_schedule=CLOSE_AT,
    execution_timezone="UTC",
    job_name="daily_close",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_close_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Close the business date that has just ended."""
    business_date = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    return dg.RunRequest(run_key=business_date, partition_key=business_date)
