"""When jobs start by the clock; what starts by an event is in sensors."""

from datetime import timedelta
from typing import Final

import dagster as dg

# After midnight UTC by enough that transactions open at the day's end have ended.
CLOSE_AT: Final = "30 0 * * *"


def schedules() -> list[dg.ScheduleDefinition]:
    """All of them run unless an operator stops them."""
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
