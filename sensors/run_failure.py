"""Raises an alarm of what made a run fail: one incident for each cause, not one for each run.

Belongs here: telling the causes apart. A refused file and books that disagree have alarms and runbooks
of their own; of a card company that cannot be reached its delivery has told already.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg

from assets.refused_files import file_refusal_job
from cardops.ports import Notifier
from cardops.rules.alarms.incidents import Severity
from cardops.services.intake.claiming import REFUSED_FILE
from cardops.services.intake.claiming import RUNBOOK as REFUSED_RUNBOOK
from sensors.alarms import incident_of_run, partition_of
from sensors.errors import innermost
from sensors.failed_checks import explain_unevaluated, failed_evaluations

RUNBOOK: Final = "docs/runbooks/run-failure.md"
MAX_MESSAGE_CHARACTERS: Final = 1_000
MAX_CHECKS_NAMED: Final = 5
# Assets whose failures raise alarms themselves, before the run ends.
VERDICT: Final = dg.AssetKey("reconciliation")
DELIVERY_STEP: Final = "chargeback_deliveries"
# What Dagster raises in a step whose blocking check did not pass: it says no more than that.
_CHECK_FAILED: Final = "DagsterAssetCheckFailedError"


@dataclass(frozen=True, slots=True)
class Alarm:
    """What to tell of one cause."""

    incident: str
    subject: str
    message: str
    runbook: str
    severity: Severity = Severity.ERROR


def run_failure_sensor() -> dg.SensorDefinition:
    """Watches every job. A run inside a command is not seen here; the command reports it."""

    @dg.run_failure_sensor(
        name="run_failure_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=15,
        description="Raises an alarm of each cause that made a run fail.",
    )
    def sensor(context: dg.RunFailureSensorContext, notifier: dg.ResourceParam[Notifier]) -> None:
        if context.dagster_run.job_name == file_refusal_job.name:
            return  # told when the file was claimed
        _explain_checks(context)
        for alarm in alarms_of(context):
            notifier.notify(
                alarm.subject,
                alarm.message,
                runbook=alarm.runbook,
                incident=alarm.incident,
                severity=alarm.severity,
            )

    return sensor


def _explain_checks(context: dg.RunFailureSensorContext) -> None:
    """Say at each check that was not evaluated what failed before it."""
    steps = list(context.get_step_failure_events())
    if steps:
        error = innermost(steps[0].step_failure_data.error)
        explain_unevaluated(
            context.instance,
            context.dagster_run.run_id,
            str(steps[0].step_key),
            (error.message.strip() if error else "")[:MAX_MESSAGE_CHARACTERS],
        )


def alarms_of(context: dg.RunFailureSensorContext) -> Iterator[Alarm]:
    """One alarm of each refused file, and one of whatever else is nobody's to tell."""
    checks = failed_evaluations(context.instance, context.dagster_run.run_id)
    refused = {key: error for check in checks for key, error in _refused_files(check).items()}
    for key, error in refused.items():
        yield Alarm(
            f"{REFUSED_FILE}{key}", f"{key} was refused", f"{key}: {error}", REFUSED_RUNBOOK
        )
    errors = [error for error in _step_errors(context) if error is not None]
    others = [
        check
        for check in checks
        if check.blocking and check.asset_key != VERDICT and not _refused_files(check)
    ]
    if others:
        yield _of_checks(context.dagster_run, others)
    if errors:
        yield _of_run(context.dagster_run, errors[0])
    elif not checks and not list(context.get_step_failure_events()):
        yield _of_run(context.dagster_run, context.failure_event.message or "no step failed")


def _of_checks(run: dg.DagsterRun, checks: Sequence[dg.AssetCheckEvaluation]) -> Alarm:
    """The checks by their sentences; with the runbook of the first that names one."""
    runbooks = [check.metadata["runbook"].value for check in checks if "runbook" in check.metadata]
    named = "; ".join(_sentence(check) for check in checks[:MAX_CHECKS_NAMED])
    more = f"; and {len(checks) - MAX_CHECKS_NAMED} more" if len(checks) > MAX_CHECKS_NAMED else ""
    return Alarm(
        f"{incident_of_run(run)}",
        f"{checks[0].check_name} is not so{_partition(run)}",
        f"Run {run.run_id} of {run.job_name}{_partition(run)} failed: {named}{more}"[
            :MAX_MESSAGE_CHARACTERS
        ],
        str(runbooks[0]) if runbooks else RUNBOOK,
    )


def _of_run(run: dg.DagsterRun, error: str) -> Alarm:
    return Alarm(
        incident_of_run(run),
        f"Run of {run.job_name} failed{_partition(run)}",
        f"Run {run.run_id} of {run.job_name}{_partition(run)} failed: "
        f"{error.strip()[:MAX_MESSAGE_CHARACTERS]}",
        RUNBOOK,
    )


def _step_errors(context: dg.RunFailureSensorContext) -> Iterator[str | None]:
    """The innermost error of each failed step: it says what to do. None where its alarm was raised."""
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        error = data.error
        is_of_check = error is not None and error.cls_name == _CHECK_FAILED
        is_told = event.step_key == DELIVERY_STEP and data.user_failure_data is not None
        cause = innermost(error)
        yield None if cause is None or is_of_check or is_told else cause.message


def _refused_files(check: dg.AssetCheckEvaluation) -> Mapping[str, str]:
    value: Any = check.metadata["refused"].value if "refused" in check.metadata else None
    return value if isinstance(value, Mapping) else {}


def _sentence(check: dg.AssetCheckEvaluation) -> str:
    asset = check.asset_key.to_user_string()
    return f"{asset}: {check.description or check.check_name}"


def _partition(run: dg.DagsterRun) -> str:
    key = partition_of(run)
    return f" for {key}" if key else ""
