"""What became of a mutation, as its GraphQL answer says: done or refused, and what it made.

Belongs here: the answers that Dagster's resolvers return, read without knowing who asked.
"""

from collections.abc import Sequence
from typing import Any

from cardops.rules.audit import AuditResult


def became(result: Any) -> tuple[AuditResult, str]:
    """What a mutation's answer says, with what it made."""
    kind = type(result).__name__.removeprefix("Graphene")
    runs = [f"run {run_id}" for run_id in run_ids(result)]
    parts = getattr(result, "launchMultipleRunsResult", None) or [result]
    errors = [
        type(part).__name__.removeprefix("Graphene")
        for part in parts
        if type(part).__name__.endswith(("Error", "NotFound", "Failure", "Invalid", "Unauthorized"))
    ]
    if errors:
        message = getattr(parts[0], "message", None)
        told = f": {message}" if isinstance(message, str) else ""
        return AuditResult.REFUSED, ", ".join([*dict.fromkeys(errors), *runs]) + told
    backfill = getattr(result, "backfill_id", None)
    made = [*runs, *([f"backfill {backfill}"] if backfill else []), *_instigator(result)]
    return AuditResult.DONE, ", ".join(made) or kind


def run_ids(result: Any) -> Sequence[str]:
    """Runs that were launched or ended."""
    parts = getattr(result, "launchMultipleRunsResult", None) or [result]
    runs = [getattr(getattr(part, "run", None), "dagster_run", None) for part in parts]
    return [run.run_id for run in runs if run is not None]


def _instigator(result: Any) -> Sequence[str]:
    """The sensor or schedule: a mutation that stops it has no name among its arguments."""
    shown = getattr(result, "scheduleState", None)
    state = getattr(shown or result, "_instigator_state", None)
    return [state.instigator_name] if state is not None else []
