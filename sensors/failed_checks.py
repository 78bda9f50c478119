"""Which asset checks of a run failed, with what they say: read from its events."""

from collections.abc import Mapping, Sequence
from typing import Final

import dagster as dg

RUNBOOK: Final = "docs/runbooks/run-failure.md"
# A close has hundreds of checks of dbt's models; those of the first assets are where people look.
MAX_EXPLAINED: Final = 100


def failed_evaluations(
    instance: dg.DagsterInstance, run_id: str
) -> Sequence[dg.AssetCheckEvaluation]:
    """The checks of the run that did not pass, in order."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = (
        entry.dagster_event.event_specific_data for entry in entries if entry.dagster_event
    )
    return [
        evaluation
        for evaluation in evaluations
        if isinstance(evaluation, dg.AssetCheckEvaluation) and not evaluation.passed
    ]


def failed_checks(instance: dg.DagsterInstance, run_id: str) -> Mapping[str, str]:
    """Name of the check -> its description, of checks that did not pass."""
    return {
        evaluation.check_name: evaluation.description or ""
        for evaluation in failed_evaluations(instance, run_id)
    }


def unevaluated_checks(instance: dg.DagsterInstance, run_id: str) -> Sequence[dg.AssetCheckKey]:
    """Checks that the run was to evaluate and did not, because something raised first."""
    planned = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
    evaluated = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    keys = [_check_key(entry) for entry in planned]
    done = {_check_key(entry) for entry in evaluated}
    return [key for key in keys if key is not None and key not in done]


def explain_unevaluated(
    instance: dg.DagsterInstance, run_id: str, failed_step: str, error: str
) -> None:
    """Give those checks a reason: without one the UI says "Execution failed" and no more."""
    for key in unevaluated_checks(instance, run_id)[:MAX_EXPLAINED]:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"It could not be evaluated: {failed_step} of run {run_id} failed first. {error}",
                metadata={"run_id": run_id, "failed_step": failed_step, "runbook": RUNBOOK},
            )
        )


def _check_key(entry: dg.EventLogEntry) -> dg.AssetCheckKey | None:
    event = entry.dagster_event
    data = event.event_specific_data if event else None
    name, asset = getattr(data, "check_name", None), getattr(data, "asset_key", None)
    return dg.AssetCheckKey(asset, name) if name and asset else None
