"""Alarms of dates that should have been closed by now, and of assets that missed their deadline; their picture.

Belongs here: deadlines of the close. Dagster's freshness policies (orchestration.freshness) show them in the UI,
computed when somebody looks; nothing of Dagster tells anybody of one that was missed.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg

from assets.daily_closes import (
    CLOSE_JOB,
    CLOSE_STARTS,
    CLOSED_BY,
    NAME,
    RUNBOOK,
    Close,
    CloseState,
    check_of,
    closes_of,
    due_dates,
    metadata_of,
)
from cardops.ports import Clock, Notifier
from sensors.digests import digest

MINIMUM_INTERVAL_SECONDS: Final = 900
# An incident's key before the date.
LATE_CLOSE: Final = "late-close:"
STALE: Final = "stale-close"
OVERDUE: Final = "overdue:"
MAX_NAMED: Final = 10
# Older dates are in the report of the newest, and the nightly close makes them up.
MAX_DATES: Final = 7


def late_close_sensor() -> dg.SensorDefinition:
    """Looks four times an hour, and requests no runs: the next night closes what was missed."""

    @dg.sensor(
        name="late_close_sensor",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        description=(
            "Raises an alarm of each business date that has no report by 06:00 UTC of the next day, and "
            "shows how the newest dates were closed."
        ),
    )
    def sensor(
        context: dg.SensorEvaluationContext,
        notifier: dg.ResourceParam[Notifier],
        clock: dg.ResourceParam[Clock],
    ) -> dg.SensorResult:
        now = clock.now()
        first = first_date(context.repository_def)
        closes = closes_of(context.instance, due_dates(first, now) if first else [])
        late = late_dates(closes)
        for day in late:
            notifier.notify(
                f"The close of {day} is late",
                f"There is no daily report of {day} at {CLOSED_BY:%H:%M} UTC of the next day: its books "
                f"were not compared, or the close failed. Launch `daily_close` for {day} in the UI; the "
                "next night closes it, too.",
                runbook=RUNBOOK,
                incident=f"{LATE_CLOSE}{day}",
            )
        stale = [] if late else stale_assets(context, now)
        _tell_of_stale(stale, notifier)
        _tell_of_overdue(overdue_assets(context, now), notifier)
        still = {f"{LATE_CLOSE}{day}" for day in late}
        notifier.resolve_except(LATE_CLOSE, still, "The report of the date was made.")
        shown = _digest(closes)
        picture = dg.AssetMaterialization(NAME, metadata=metadata_of(closes, now))
        return dg.SensorResult(
            skip_reason=f"Late: {', '.join(late)}." if late else "No close is late.",
            cursor=shown,
            asset_events=[picture, check_of(closes)] if shown != context.cursor else [],
        )

    return sensor


def stale_assets(context: dg.SensorEvaluationContext, now: datetime) -> list[str]:
    """Assets of the close that were not made for the newest deadline, as their freshness policies demand.

    One that was never made is no news here: its date has no report either.
    """
    if context.repository_def is None or not context.repository_def.has_job(CLOSE_JOB):
        return []
    asset_layer = context.repository_def.get_job(CLOSE_JOB).asset_layer
    deadline = datetime.combine(now.date(), CLOSED_BY, UTC)
    newest = deadline if now >= deadline else deadline - timedelta(days=1)
    since = datetime.combine(newest.date(), CLOSE_STARTS, UTC).timestamp()
    records = context.instance.get_asset_records(sorted(asset_layer.executable_asset_keys))
    made = {
        record.asset_entry.asset_key.to_user_string(): event.timestamp
        for record in records
        if (event := record.asset_entry.last_materialization) is not None
    }
    return sorted(name for name, at in made.items() if at < since)


def _tell_of_stale(stale: Sequence[str], notifier: Notifier) -> None:
    """One alarm of all of them; it ends with them."""
    if not stale:
        notifier.resolve(STALE, "Every asset of the close was made for the newest date.")
        return
    named = ", ".join(stale[:MAX_NAMED])
    more = f" and {len(stale) - MAX_NAMED} more" if len(stale) > MAX_NAMED else ""
    notifier.notify(
        "Assets of the daily close are stale",
        f"The newest date has its report, but these assets were not made since its close began: {named}"
        f"{more}. Whoever reads them sees an older date. Launch `daily_close` for the newest date in the UI.",
        runbook=RUNBOOK,
        incident=STALE,
    )


def overdue_assets(context: dg.SensorEvaluationContext, now: datetime) -> dict[str, str]:
    """Assets that are older than their freshness policies allow -> their runbooks, where policies name an age."""
    if context.repository_def is None:
        return {}
    graph = context.repository_def.asset_graph
    policies = {node.key: node.freshness_policy for node in graph.asset_nodes}
    # One that names a time of day has no window.
    windows = {key: getattr(policy, "fail_window", None) for key, policy in policies.items()}
    aged = {key: window.to_timedelta() for key, window in windows.items() if window}
    found = {}
    for record in context.instance.get_asset_records(sorted(aged)) if aged else ():
        key, event = record.asset_entry.asset_key, record.asset_entry.last_materialization
        if event is not None and now.timestamp() - event.timestamp >= aged[key].total_seconds():
            link = str(getattr(graph.get(key).metadata.get("runbook"), "value", RUNBOOK))
            found[key.to_user_string()] = f"docs/{link.partition('docs/')[2]}"
    return found


def _tell_of_overdue(overdue: Mapping[str, str], notifier: Notifier) -> None:
    """One alarm an asset; it ends when the asset is made again."""
    for name, runbook in overdue.items():
        notifier.notify(
            f"{name} is overdue",
            f"{name} was last made longer ago than its freshness policy allows: what it proves or shows "
            "is not known to be so any more. Materialize it in the UI, and see why its schedule did not.",
            runbook=runbook,
            incident=f"{OVERDUE}{name}",
        )
    still = {f"{OVERDUE}{name}" for name in overdue}
    notifier.resolve_except(OVERDUE, still, "The asset was made again.")


def first_date(repository: dg.RepositoryDefinition | None) -> date | None:
    """The first date that the close has; None where no close is loaded."""
    if repository is None or not repository.has_job(CLOSE_JOB):
        return None
    dates = repository.get_job(CLOSE_JOB).partitions_def
    return dates.start.date() if isinstance(dates, dg.TimeWindowPartitionsDefinition) else None


def late_dates(closes: Sequence[Close]) -> list[str]:
    """The newest dates that are due and have no report, oldest first; one that is being closed, too."""
    reported = {close.business_date for close in closes if _is_reported(close)}
    newest = [close.business_date for close in closes[:MAX_DATES]]
    return [day for day in reversed(newest) if day not in reported]


def _is_reported(close: Close) -> bool:
    return any(step.name == "report" for step in close.steps)


def _digest(closes: Sequence[Close]) -> str:
    """Differs when a date comes, is closed again or changes its state."""
    shown = [
        f"{close.business_date}/{close.state}/{close.steps[-1].at if close.steps else ''}"
        for close in closes
        if close.state is not CloseState.RUNNING
    ]
    return digest(shown)
