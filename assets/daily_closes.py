"""The close of each business date as a picture: which date is closed, which was missed, how long each step took.

Belongs here: what Dagster's runs and materializations say of a close, and how it is shown. `late_close_sensor`
shows it anew whenever it changes; materialized by hand, the asset shows it as it stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

import dagster as dg

from assets.check_results import result_of
from assets.close_chart import ClosedStep, DrawnClose, close_markdown
from assets.partitions import FIRST_BUSINESS_DATE
from assets.tables import records_metadata
from cardops.ports import Clock

DAYS_SHOWN: Final = 14
CLOSE_JOB: Final = "daily_close"
NAME: Final = "daily_closes"
RUNBOOK: Final = "docs/runbooks/late-close.md"
# Metadata of the asset itself, which has no partitions: the first date that a home has.
FIRST_DATE: Final = "first_business_date"
EVERY_DATE: Final = "every_business_date_is_closed"
# Of the close, in UTC; books and report are read from six o'clock on.
CLOSE_STARTS: Final = time(0, 30)
CLOSED_BY: Final = time(6)
# What a close does, in its order -> the asset with which that is done.
STEPS: Final[Mapping[str, str]] = {
    "export": "transaction_log",
    "reconcile": "reconciliation",
    "publish": "published_marts",
    "report": "daily_report",
}
# Each date may have been made several times; more than that are not looked at.
_MAX_RECORDS: Final = 20 * DAYS_SHOWN
_MAX_RUNS: Final = 5 * DAYS_SHOWN


class CloseState(StrEnum):
    """How a date stands that is due."""

    CLOSED = "closed"
    BREAKS = "closed with breaks"
    RUNNING = "running"
    INCOMPLETE = "reported, not complete"
    FAILED = "failed"
    MISSED = "missed"


NEEDS_PERSON: Final = frozenset(
    {CloseState.BREAKS, CloseState.INCOMPLETE, CloseState.FAILED, CloseState.MISSED}
)


@dataclass(frozen=True, slots=True)
class Close:
    """One business date: its state and the steps that were done, each with when and how long."""

    business_date: str
    state: CloseState
    steps: Sequence[ClosedStep]
    breaks: int | None


@dg.asset(
    name=NAME,
    group_name="control",
    # A warning: the next night closes what was missed, and an alarm tells of it.
    check_specs=[
        dg.AssetCheckSpec(
            EVERY_DATE, asset=NAME, description="Each business date that is due has its report."
        )
    ],
    kinds={"postgres"},
)
def daily_closes(
    context: dg.AssetExecutionContext, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    """Export, reconciliation, publication and report of the newest business dates."""
    now = clock.now()
    own = context.assets_def.metadata_by_key[context.asset_key]
    first = date.fromisoformat(own.get(FIRST_DATE, FIRST_BUSINESS_DATE.isoformat()))
    closes = closes_of(context.instance, due_dates(first, now))
    return dg.MaterializeResult(
        metadata=metadata_of(closes, now),
        check_results=[result_of(check_of(closes))],
    )


def due_dates(first: date, now: datetime) -> list[str]:
    """The newest business dates since the first that should be closed by now, oldest first."""
    newest = now.date() - timedelta(days=1 if now.time() >= CLOSED_BY else 2)
    days = (newest - timedelta(days=age) for age in reversed(range(DAYS_SHOWN)))
    return [day.isoformat() for day in days if day >= first]


def closes_of(instance: dg.DagsterInstance, dates: Sequence[str]) -> list[Close]:
    """How each of these dates stands, newest first."""
    if not dates:
        return []
    made = {step: _newest(instance, asset, dates) for step, asset in STEPS.items()}
    runs = _runs(instance)
    starts = _starts(instance, {made_of.run_id for by in made.values() for made_of in by.values()})
    found = []
    for day in reversed(dates):
        of_day = {step: by[day] for step, by in made.items() if day in by}
        breaks = of_day["reconcile"].breaks if "reconcile" in of_day else None
        steps = _steps(of_day, starts)
        found.append(Close(day, _state(of_day, runs.get(day)), steps, breaks))
    return found


def reported_dates(instance: dg.DagsterInstance, dates: Sequence[str]) -> set[str]:
    """Those of the dates, at most DAYS_SHOWN, whose report was made after they had ended."""
    return set(_newest(instance, STEPS["report"], dates)) if dates else set()


@dataclass(frozen=True, slots=True)
class _Made:
    at: float
    run_id: str
    breaks: int | None


def _newest(instance: dg.DagsterInstance, asset: str, dates: Sequence[str]) -> dict[str, _Made]:
    """By date, the newest materialization of the asset. One of a date that had not ended closes nothing."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=list(dates))
    found: dict[str, _Made] = {}
    for record in instance.fetch_materializations(wanted, limit=_MAX_RECORDS).records:
        if record.timestamp < _end_of(str(record.partition_key)):
            continue
        shown = record.asset_materialization
        breaks = shown.metadata.get("breaks") if shown else None
        made = _Made(
            record.timestamp,
            record.run_id,
            breaks.value if isinstance(breaks, dg.IntMetadataValue) else None,
        )
        found.setdefault(str(record.partition_key), made)
    return found


def _end_of(business_date: str) -> float:
    """As seconds since 1970: midnight UTC."""
    end = datetime.fromisoformat(business_date) + timedelta(days=1)
    return end.replace(tzinfo=UTC).timestamp()


def _runs(instance: dg.DagsterInstance) -> dict[str, dg.DagsterRunStatus]:
    """By date, how its newest close ended."""
    found: dict[str, dg.DagsterRunStatus] = {}
    for run in instance.get_runs(dg.RunsFilter(job_name=CLOSE_JOB), limit=_MAX_RUNS):
        found.setdefault(run.tags.get("dagster/partition", ""), run.status)
    return found


def _starts(instance: dg.DagsterInstance, run_ids: set[str]) -> dict[str, float]:
    if not run_ids:
        return {}
    records = instance.get_run_records(dg.RunsFilter(run_ids=sorted(run_ids)))
    return {record.dagster_run.run_id: record.start_time for record in records if record.start_time}


def _steps(made: Mapping[str, _Made], starts: Mapping[str, float]) -> list[ClosedStep]:
    """A step took as long as since the step before it in the same run, or since the run's start."""
    found = []
    former: _Made | None = None
    for step, done in made.items():
        is_after = former is not None and former.run_id == done.run_id
        since = former.at if former and is_after else starts.get(done.run_id, done.at)
        at = datetime.fromtimestamp(done.at, UTC)
        found.append(ClosedStep(step, at, max(0.0, done.at - since)))
        former = done
    return found


def _state(made: Mapping[str, _Made], run: dg.DagsterRunStatus | None) -> CloseState:
    if run is not None and run not in _ENDED:
        return CloseState.RUNNING
    if "report" not in made:
        return CloseState.FAILED if run is dg.DagsterRunStatus.FAILURE else CloseState.MISSED
    if "reconcile" in made and made["reconcile"].breaks:
        return CloseState.BREAKS
    return CloseState.CLOSED if made.keys() == STEPS.keys() else CloseState.INCOMPLETE


_ENDED: Final = frozenset(
    {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
)


def metadata_of(closes: Sequence[Close], now: datetime) -> dict[str, dg.MetadataValue]:
    """The picture, the same as a table, and how many dates need a person."""
    drawn = [
        DrawnClose(close.business_date, close.state.value, _level(close.state), close.steps)
        for close in closes
    ]
    return {
        "dagster/row_count": dg.MetadataValue.int(len(closes)),
        "as_of": dg.MetadataValue.timestamp(now),
        "picture": dg.MetadataValue.md(close_markdown(drawn)),
        "closes": records_metadata([_row(close) for close in closes], "business_date"),
        "dates_that_need_a_person": dg.MetadataValue.int(
            sum(close.state in NEEDS_PERSON for close in closes)
        ),
    }


def check_of(closes: Sequence[Close]) -> dg.AssetCheckEvaluation:
    """Whether each date has its report."""
    open_dates = [
        f"{close.business_date} {close.state}"
        for close in closes
        if close.state in {CloseState.MISSED, CloseState.FAILED}
    ]
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(NAME),
        check_name=EVERY_DATE,
        passed=not open_dates,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(open_dates) or None,
        metadata={"dates": len(open_dates), "runbook": RUNBOOK},
    )


def _level(state: CloseState) -> str:
    if state in NEEDS_PERSON:
        return "todo"
    return "done" if state is CloseState.CLOSED else "way"


def _row(close: Close) -> dict[str, object]:
    seconds = {step.name: f"{step.seconds:.1f}" for step in close.steps}
    return {
        "business_date": close.business_date,
        "state": close.state.value,
        "breaks": "" if close.breaks is None else str(close.breaks),
        **{f"{step}_seconds": seconds.get(step, "") for step in STEPS},
        "reported_at": next(
            (f"{step.at:%Y-%m-%d %H:%M} UTC" for step in close.steps if step.name == "report"), ""
        ),
    }
