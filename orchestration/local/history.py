"""What Dagster remembers of runs that ended long ago: removed, but for what the control room still shows.

Belongs here: Dagster's tables in PostgreSQL, which it never prunes itself, and files of captured output. Kept
for ever: the newest materialization of each partition, with its run, the newest evaluation of each check,
and the newest observation. Money, files and deliveries are in Cardops' own tables and in the lake.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import dagster as dg
from dagster_postgres import PostgresRunStorage
from sqlalchemy import text
from sqlalchemy.engine import Connection
from typing_extensions import override

from assets.run_history import RunHistory
from cardops.ports import Clock, Incidents
from cardops.settings import Settings
from orchestration.local.instance import OUTPUT_VARIABLE
from sensors.intake import BATCHES

RUNS_A_STEP: Final = 200
ENDED: Final = ("SUCCESS", "FAILURE", "CANCELED")
BACKFILLS_ENDED: Final = (
    "COMPLETED",
    "COMPLETED_SUCCESS",
    "COMPLETED_FAILED",
    "FAILED",
    "CANCELED",
)
# Of these the newest of each asset and partition stays: it says what the partition is.
STATES: Final = ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION", "FRESHNESS_STATE_CHANGE")

_RUNS: Final = text("""
select run_id from runs
where status = any(:ended) and update_timestamp < :before and run_id > :after
order by run_id limit :step
""")
# Events of no run have an empty run_id.
_EVENTS: Final = text("""
with gone as (
    delete from event_logs as old
    where old.run_id = any(:run_ids) and old.timestamp < :before and (
        old.asset_key is null
        or old.dagster_event_type <> all(:states)
        or (old.partition is null and exists (
            select from event_logs as newer
            where newer.asset_key = old.asset_key and newer.dagster_event_type = old.dagster_event_type
                and newer.partition is null and newer.id > old.id
        ))
        or (old.partition is not null and exists (
            select from event_logs as newer
            where newer.asset_key = old.asset_key and newer.dagster_event_type = old.dagster_event_type
                and newer.partition = old.partition and newer.id > old.id
        ))
    )
    returning old.id
),
tags as (delete from asset_event_tags using gone where asset_event_tags.event_id = gone.id)
select count(*) from gone
""")
_EVALUATIONS: Final = text("""
delete from asset_check_executions as old
where coalesce(old.run_id, '') = any(:run_ids) and old.create_timestamp < :before and exists (
    select from asset_check_executions as newer
    where newer.asset_key = old.asset_key and newer.check_name = old.check_name
        and newer.partition is not distinct from old.partition and newer.id > old.id
)
""")
# A run of which something is kept stays, too: the UI links to it.
_EMPTY_RUNS: Final = text("""
delete from runs
where run_id = any(:run_ids)
    and not exists (select from event_logs where event_logs.run_id = runs.run_id)
    and not exists (
        select from asset_check_executions where asset_check_executions.run_id = runs.run_id
    )
""")
_BACKFILLS: Final = text("""
with gone as (
    delete from bulk_actions where timestamp < :before and status = any(:ended) returning key
),
tags as (delete from backfill_tags using gone where backfill_tags.backfill_id = gone.key)
select count(*) from gone
""")
_OLD_BATCHES: Final = text("""
select partition from dynamic_partitions
where partitions_def_name = :name and create_timestamp < :before
order by partition
""")
# Events of a batch itself, and of the batch with each network: `default-2026-11-20-001|visa`.
_EVENTS_OF_BATCHES: Final = text("""
with gone as (
    delete from event_logs
    where partition is not null and split_part(partition, '|', 1) = any(:batches)
    returning id
),
tags as (delete from asset_event_tags using gone where asset_event_tags.event_id = gone.id)
select count(*) from gone
""")


_SIZES: Final = text("""
select relname, pg_total_relation_size(relid)
from pg_stat_user_tables
where relname in ('event_logs', 'asset_check_executions', 'runs', 'run_tags', 'job_ticks', 'asset_event_tags')
order by relname
""")


@dataclass(slots=True)
class Pruned:
    """How much was removed."""

    runs: int = 0
    events: int = 0
    check_evaluations: int = 0
    backfills: int = 0
    batch_partitions: int = 0
    output_folders: int = 0

    def counts(self) -> dict[str, int]:
        """By name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class History:
    """The history of one instance. What it removes is removed in small steps, and may be repeated at any time.

    `before`: runs that ended before it are pruned. `batches_before`: partitions of batches made before it are
    removed, with what Dagster knows of them.
    """

    instance: dg.DagsterInstance
    before: datetime
    batches_before: datetime
    output: Path | None = None
    pruned: Pruned = field(default_factory=Pruned)

    def prune(self) -> Pruned:
        """Raises TypeError where Dagster's tables are not in PostgreSQL."""
        storage = self.instance.run_storage
        if not isinstance(storage, PostgresRunStorage):
            raise TypeError(
                f"Only tables in PostgreSQL can be pruned, not those of {type(storage)}."
            )
        self._prune_batches(storage)
        with storage.connect() as session:
            for run_ids in self._old_runs(session):
                self._prune_runs(session, run_ids)
            self._prune_events(session, [""])
            self.pruned.backfills += _count(
                session, _BACKFILLS, ended=list(BACKFILLS_ENDED), before=_naive(self.before)
            )
        self._prune_output()
        return self.pruned

    def _old_runs(self, session: Connection) -> Iterator[list[str]]:
        after = ""
        while True:
            found = session.execute(
                _RUNS,
                {
                    "ended": list(ENDED),
                    "before": _naive(self.before),
                    "after": after,
                    "step": RUNS_A_STEP,
                },
            )
            run_ids = [str(run_id) for (run_id,) in found]
            if not run_ids:
                return
            yield run_ids
            after = run_ids[-1]

    def _prune_runs(self, session: Connection, run_ids: Sequence[str]) -> None:
        self._prune_events(session, run_ids)
        self.pruned.runs += session.execute(_EMPTY_RUNS, {"run_ids": run_ids}).rowcount

    def _prune_events(self, session: Connection, run_ids: Sequence[str]) -> None:
        which = {"run_ids": run_ids, "before": _naive(self.before)}
        self.pruned.events += _count(session, _EVENTS, states=list(STATES), **which)
        self.pruned.check_evaluations += session.execute(_EVALUATIONS, which).rowcount

    def _prune_batches(self, storage: PostgresRunStorage) -> None:
        with storage.connect() as session:
            found = session.execute(
                _OLD_BATCHES, {"name": BATCHES, "before": _naive(self.batches_before)}
            )
            batches = [str(batch) for (batch,) in found]
            for start in range(0, len(batches), RUNS_A_STEP):
                some = batches[start : start + RUNS_A_STEP]
                self.pruned.events += _count(session, _EVENTS_OF_BATCHES, batches=some)
        for batch in batches:
            self.instance.delete_dynamic_partition(BATCHES, batch)
        self.pruned.batch_partitions += len(batches)

    def _prune_output(self) -> None:
        """Files of what runs wrote to their standard output: one folder a run."""
        for folder in self.output.iterdir() if self.output and self.output.is_dir() else ():
            if folder.is_dir() and folder.stat().st_mtime < self.before.timestamp():
                shutil.rmtree(folder)
                self.pruned.output_folders += 1


def _count(session: Connection, statement: object, **values: object) -> int:
    return int(session.execute(statement, values).scalar_one())  # type: ignore[call-overload]


def sizes(instance: dg.DagsterInstance) -> Mapping[str, int]:
    """Bytes of Dagster's largest tables in PostgreSQL, with their indexes."""
    with instance.run_storage.connect() as session:  # type: ignore[attr-defined] # of PostgreSQL
        return {str(name): int(size) for name, size in session.execute(_SIZES)}


def _naive(instant: datetime) -> datetime:
    """As Dagster's columns have it: UTC, without a zone."""
    return instant.astimezone(UTC).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class SettingsHistory(RunHistory):
    """The history of this process's instance and its alarms, kept for as long as the settings say."""

    settings: Settings
    clock: Clock
    incidents: Incidents

    @override
    def prune(self, instance: dg.DagsterInstance) -> tuple[Mapping[str, int], Mapping[str, int]]:
        now, output = self.clock.now(), os.environ.get(OUTPUT_VARIABLE)
        history = History(
            instance,
            before=now - timedelta(days=self.settings.run_history_days),
            batches_before=now - timedelta(days=self.settings.batch_history_days),
            output=Path(output) if output else None,
        )
        alarms = self.incidents.forget(now - timedelta(days=self.settings.alarm_history_days))
        return {**history.prune().counts(), "alarms": alarms}, sizes(instance)
