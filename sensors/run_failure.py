"""Raises an alarm for each failed run, with its first error and the runbook."""

from typing import Final

import dagster as dg

from assets.refused_files import file_refusal_job
from cardops.ports import Notifier
from sensors.failed_checks import failed_checks

RUNBOOK: Final = "docs/runbooks/run-failure.md"
MAX_MESSAGE_CHARACTERS: Final = 1_000


def run_failure_sensor() -> dg.SensorDefinition:
    """Watches every job. A run inside a command is not seen here; the command reports it."""

    @dg.run_failure_sensor(
        name="run_failure_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=15,
        description="Raises an alarm for each failed run.",
    )
    def sensor(context: dg.RunFailureSensorContext, notifier: dg.ResourceParam[Notifier]) -> None:
        run = context.dagster_run
        if run.job_name == file_refusal_job.name:
            return  # told when the file was claimed
        said = said_by_checks(context) or first_error(context)
        notifier.notify(
            f"Run of {run.job_name} failed",
            f"Run {run.run_id} of {run.job_name}{_partition(run)} failed: {said}",
            runbook=RUNBOOK,
        )

    return sensor


def said_by_checks(context: dg.RunFailureSensorContext) -> str:
    """What the failed checks say of themselves: Dagster's own error only names them."""
    checks = failed_checks(context.instance, context.dagster_run.run_id)
    return " ".join(text for text in checks.values() if text)[:MAX_MESSAGE_CHARACTERS]


def first_error(context: dg.RunFailureSensorContext) -> str:
    """The innermost error of the first failed step: it says what to do."""
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error and error.cause:
            error = error.cause
        if error:
            return error.message.strip()[:MAX_MESSAGE_CHARACTERS]
    return (context.failure_event.message or "no step failed").strip()[:MAX_MESSAGE_CHARACTERS]


def _partition(run: dg.DagsterRun) -> str:
    key = run.tags.get("dagster/partition")
    return f" for {key}" if key else ""
