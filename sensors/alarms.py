"""Escalates alarms, sends again what a channel did not take, and ends what is over by itself.

Belongs here: incidents whose end nobody reports, because it is seen in Dagster's runs or in the intake
ledger. Others are ended by the service that finds their cause gone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import dagster as dg

from assets.refused_files import INTAKE_TAG
from cardops.contracts.kinds.registry import KINDS
from cardops.ports import IntakeLedger
from cardops.rules.intake.files import FileStatus, IntakeFileMissingError, Kind
from cardops.services.alarms.notifying import IncidentNotifier
from cardops.services.intake.recovery import DEAD_FILE
from sensors.delivery import RANGE_START

MINIMUM_INTERVAL_SECONDS: Final = 30
FAILED_RUN: Final = "run:"
NO_PARTITION: Final = "-"
_KIND_OF_JOB: Final[Mapping[str, Kind]] = {
    profile.job_name: profile.kind for profile in KINDS.values()
}


def incident_of_run(run: dg.DagsterRun) -> str:
    """The incident of a failed run: one for each job and partition, however often it is tried."""
    return f"{FAILED_RUN}{run.job_name}:{partition_of(run) or NO_PARTITION}"


def partition_of(run: dg.DagsterRun) -> str | None:
    """The partition of a run, or the first of its range."""
    return run.tags.get("dagster/partition") or run.tags.get(RANGE_START)


def alarm_sensor() -> dg.SensorDefinition:
    """Looks twice a minute; it requests no runs."""

    @dg.sensor(
        name="alarm_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        description=(
            "Escalates alarms that nobody acknowledged, sends again what a channel did not take, "
            "and resolves alarms of runs and files that have succeeded since."
        ),
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        notifier: dg.ResourceParam[IncidentNotifier],
        intake_ledger: dg.ResourceParam[IntakeLedger],
    ) -> dg.SkipReason:
        is_due, keys = notifier.glance()
        for key, why in ended(keys, context.instance, intake_ledger).items():
            notifier.resolve(key, why)
        if not is_due:
            return dg.SkipReason(f"{len(keys)} alarms are open; nothing is to be sent.")
        turn = notifier.turn()
        return dg.SkipReason(f"{turn.sent} alarms were sent, {turn.failed} could not be sent.")

    return sensor


def ended(
    keys: Sequence[str], instance: dg.DagsterInstance, intake_ledger: IntakeLedger
) -> dict[str, str]:
    """Incidents whose cause is gone, each with how that is known."""
    judges: dict[str, Callable[[str], str | None]] = {
        FAILED_RUN: lambda rest: _success_since(rest, instance, intake_ledger),
        DEAD_FILE: lambda rest: _no_longer_dead(rest, intake_ledger),
    }
    found = {}
    for key in keys:
        for prefix, judge in judges.items():
            why = judge(key.removeprefix(prefix)) if key.startswith(prefix) else None
            if why:
                found[key] = why
    return found


def _success_since(
    rest: str, instance: dg.DagsterInstance, intake_ledger: IntakeLedger
) -> str | None:
    """That the newest run of the job and partition has succeeded; None where it has not."""
    job, _, partition = rest.partition(":")
    name = "dagster/partition" if "|" not in partition else RANGE_START
    tags = {} if partition == NO_PARTITION else {name: partition}
    runs = instance.get_runs(dg.RunsFilter(job_name=job, tags=tags), limit=1)
    if not runs or runs[0].status is not dg.DagsterRunStatus.SUCCESS:
        return None
    kind = _KIND_OF_JOB.get(job)
    if kind is not None and INTAKE_TAG in runs[0].tags and intake_ledger.unfinished(kind):
        return None  # It may be another file that succeeded.
    return f"Run {runs[0].run_id} of {job} succeeded."


def _no_longer_dead(rest: str, intake_ledger: IntakeLedger) -> str | None:
    try:
        status = intake_ledger.find(int(rest)).status
    except (ValueError, IntakeFileMissingError):
        return None
    return None if status is FileStatus.DEAD else f"The file is {status.value} now."
