"""Escalates alarms, sends again what a channel did not take, and ends what is over by itself.

Belongs here: incidents whose end nobody reports, because it is seen in Dagster's runs or in the intake
ledger. Others are ended by the service that finds their cause gone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import dagster as dg

from assets.alarms import check_of, metadata_of, unresolved
from assets.refused_files import INTAKE_TAG
from cardops.contracts.kinds.registry import KINDS
from cardops.ports import Incidents, IntakeLedger
from cardops.rules.alarms.records import IncidentRecord
from cardops.rules.intake.files import FileStatus, IntakeFileMissingError, Kind
from cardops.services.alarms.notifying import IncidentNotifier
from cardops.services.intake.recovery import DEAD_FILE
from sensors.delivery import RANGE_START
from sensors.digests import digest

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
        incidents: dg.ResourceParam[Incidents],
    ) -> dg.SensorResult:
        is_due, keys = notifier.glance()
        for key, why in ended(keys, context.instance, intake_ledger).items():
            notifier.resolve(key, why)
        said = f"{len(keys)} alarms are open; nothing is to be sent."
        if is_due:
            turn = notifier.turn()
            said = f"{turn.sent} alarms were sent, {turn.failed} could not be sent."
        # Without an open alarm there is nothing to look up: a tick is one query.
        records = unresolved(incidents) if keys else []
        shown = _digest(records)
        return dg.SensorResult(
            skip_reason=said,
            cursor=shown,
            asset_events=_events(records, incidents) if shown != context.cursor else [],
        )

    return sensor


def _events(
    records: Sequence[IncidentRecord], incidents: Incidents
) -> list[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation]:
    """The table in the UI as it is now, with its check."""
    metadata = metadata_of(records, incidents.now())
    return [dg.AssetMaterialization("alarms", metadata=metadata), check_of(records)]


def _digest(records: Sequence[IncidentRecord]) -> str:
    """Differs when an alarm opens, ends, gets worse, or changes its state; not when it is seen again."""
    shown = [
        f"{record.incident.incident_id}/{record.incident.state}/{record.incident.severity}"
        for record in records
    ]
    return digest(sorted(shown))


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
