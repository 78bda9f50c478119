"""Which asset checks of a run failed, with what they say: read from its events."""

from collections.abc import Mapping

import dagster as dg


def failed_checks(instance: dg.DagsterInstance, run_id: str) -> Mapping[str, str]:
    """Name of the check -> its description, of checks that did not pass."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = (
        entry.dagster_event.event_specific_data for entry in entries if entry.dagster_event
    )
    return {
        evaluation.check_name: evaluation.description or ""
        for evaluation in evaluations
        if isinstance(evaluation, dg.AssetCheckEvaluation) and not evaluation.passed
    }
