"""Jobs that start by the clock; those that an event starts are in sensors."""

from datetime import timedelta
from typing import Final

import dagster as dg

from assets.daily_closes import DAYS_SHOWN, reported_dates
from cardops.ports import DeliveryLedger, Destinations
from cardops.services.deliveries.settings import outbound_folders
from orchestration.jobs import CLOSE_PRIORITY
from sensors.intake import PRIORITY_TAG, UNDER_WAY

# Late enough after midnight UTC for the transactions open at the day's end to have ended.
CLOSE_AT: Final = "30 0 * * *"
# Sunday, when the date that ended is closed and reconciled, and traffic is low.
PROVE_AT: Final = "0 3 * * 0"
# The first of the month, after the close of the date that ended and a full comparison on a Sunday.
DRILL_AT: Final = "0 5 1 * *"
# After the close, while nobody looks.
PRUNE_AT: Final = "15 4 * * *"
# A partner answers within hours, and a rejected row's deadline is days away.
POLL_AT: Final = "7,22,37,52 * * * *"


# So many missed dates are closed in one night; the next night takes more.
MAX_MISSED_DATES: Final = 7
# A home that was made after midnight has nothing of the day before.
BEFORE_THE_FIRST: Final = "{business_date} is before the first business date; nothing is to close."

# Made whatever a close finds, so that a date with breaks is not closed again every night.
REPORT: Final = dg.AssetKey("daily_report")


def schedules() -> list[dg.ScheduleDefinition]:
    """All schedules; each runs unless an operator stops it."""
    return [
        daily_close_schedule,
        full_reconciliation_schedule,
        monthly_drill_schedule,
        history_pruning_schedule,
        acknowledgement_poll_schedule,
    ]


@dg.schedule(
    cron_schedule=CLOSE_AT,
    execution_timezone="UTC",
    job_name="daily_close",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def daily_close_schedule(
    context: dg.ScheduleEvaluationContext,
) -> list[dg.RunRequest] | dg.SkipReason:
    """Close the business date that has just ended, and first the dates before it that were missed.

    A date was missed where no report of it was made, as when nothing ran that night.
    """
    business_date = _date_that_ended(context)
    if not _is_one_of(context, "daily_close", business_date):
        return dg.SkipReason(BEFORE_THE_FIRST.format(business_date=business_date))
    due = [*_missed_dates(context, business_date), business_date]
    return [
        dg.RunRequest(
            run_key=day,
            partition_key=day,
            # The queue takes the higher one first: a date begins with what the date before it left. Any comes
            # before a close that somebody launched, and before a backfill of closes.
            tags={PRIORITY_TAG: str(CLOSE_PRIORITY + len(due) - place)},
        )
        for place, day in enumerate(due)
    ]


@dg.schedule(
    cron_schedule=PROVE_AT,
    execution_timezone="UTC",
    job_name="full_reconciliation",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def full_reconciliation_schedule(
    context: dg.ScheduleEvaluationContext,
) -> dg.RunRequest | dg.SkipReason:
    """Compare everything once a week, as of the business date that has just ended."""
    business_date = _date_that_ended(context)
    if not _is_one_of(context, "full_reconciliation", business_date):
        return dg.SkipReason(BEFORE_THE_FIRST.format(business_date=business_date))
    return dg.RunRequest(
        run_key=business_date,
        partition_key=business_date,
        run_config={"ops": {"reconciling": {"config": {"is_full": True}}}},
    )


@dg.schedule(
    cron_schedule=DRILL_AT,
    execution_timezone="UTC",
    job_name="monthly_drill",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def monthly_drill_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Restore a dump of the store once a month, and prove the checks of the books on it."""
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m}")


@dg.schedule(
    cron_schedule=PRUNE_AT,
    execution_timezone="UTC",
    job_name="history_pruning",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def history_pruning_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Remove old runs once a day, so that pages and ticks stay as quick as on the first day."""
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}")


@dg.schedule(
    cron_schedule=POLL_AT,
    execution_timezone="UTC",
    job_name="acknowledgement_poll",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def acknowledgement_poll_schedule(
    context: dg.ScheduleEvaluationContext,
    delivery_ledger: dg.ResourceParam[DeliveryLedger],
    destinations: dg.ResourceParam[Destinations],
) -> dg.RunRequest | dg.SkipReason:
    """Read the outbound folders of the card companies that have one."""
    if not outbound_folders(delivery_ledger, destinations):
        return dg.SkipReason("No destination of a chargeback file has an outbound folder.")
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


def _date_that_ended(context: dg.ScheduleEvaluationContext) -> str:
    return (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()


def _is_one_of(context: dg.ScheduleEvaluationContext, job_name: str, business_date: str) -> bool:
    """Whether the job has that date."""
    dates = context.repository_def.get_job(job_name).partitions_def
    return dates is not None and dates.has_partition_key(business_date)


def _missed_dates(context: dg.ScheduleEvaluationContext, business_date: str) -> list[str]:
    """Dates before this one without a report, oldest first, but for those that a run is closing.

    A recent one whose report was made before the date had ended has none.
    """
    dates = context.repository_def.get_job("daily_close").partitions_def
    known = dates.get_partition_keys() if dates is not None else []
    recent = [day for day in known if day < business_date][-DAYS_SHOWN:]
    made = context.instance.get_materialized_partitions(REPORT) - set(recent)
    made |= reported_dates(context.instance, recent)
    runs = context.instance.get_runs(dg.RunsFilter(job_name="daily_close", statuses=UNDER_WAY))
    closing = {run.tags.get("dagster/partition") for run in runs}
    # ISO dates sort as dates do.
    missed = [day for day in known if day < business_date and day not in made | closing]
    return missed[:MAX_MISSED_DATES]
