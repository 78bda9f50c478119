"""Dagster's tables in PostgreSQL, through connections that a process keeps.

dagster_postgres opens one for each statement, with a password check and a new server process, and asks the
server again and again whether it has the tables of an older version. Dagster's code server makes an
instance, and so a storage, for each tick of a sensor. dagster.yaml names the class below: all instances of
a process share one pool and what was found once, in webserver, daemon, code server, runs and commands.
"""

import copy
import functools
import math
import os
import select
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from dagster import AssetKey, DagsterRun
from dagster._core.scheduler.instigation import TickStatus
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from dagster_postgres.utils import (
    pg_url_from_config,
    retry_pg_connection_fn,
    set_pg_statement_timeout,
)
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DisconnectionError
from typing_extensions import override

from orchestration.local.shell_changes import recorded, run_subject

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData

STATEMENT_TIMEOUT_MILLISECONDS: Final = 60_000
RECYCLE_SECONDS: Final = 3600
PURGE_SECONDS: Final = 3600
# As many as the daemon's threads use at once; a further one is closed after use.
POOL_SIZE: Final = 10
MAX_OVERFLOW: Final = 20
# The pools of so many databases are kept: a process has one home, a process of tests many.
MAX_DATABASES: Final = 4
# By which each of the three parts sees whether its tables were made, and one of a later version.
MADE: Final = {"runs", "instance_info", "event_logs", "instigators"}


class _Part:
    """One of the three storages of an instance, on the pool of its process."""

    _engine: Engine

    def use(self, engine: Engine) -> None:
        """From now on, take connections from the engine's pool."""
        self._engine = engine

    def optimize_for_webserver(
        self, statement_timeout: int, pool_recycle: int, max_overflow: int
    ) -> None:
        """Keep the pool: the webserver would make one of a single connection for each part."""


class PooledRuns(_Part, PostgresRunStorage):
    """Runs. What a command of Dagster adds or removes is in the audit trail."""

    @override
    def add_run(self, dagster_run: DagsterRun) -> DagsterRun:
        assets = [key.to_user_string() for key in dagster_run.asset_selection or ()]
        subject = run_subject(dagster_run.job_name, assets, dagster_run.tags)
        with recorded("launch run", subject, f"run {dagster_run.run_id}"):
            return super().add_run(dagster_run)

    @override
    def delete_run(self, run_id: str) -> None:
        with recorded("delete run", f"run {run_id}"):
            super().delete_run(run_id)


class PooledEvents(_Part, PostgresEventLogStorage):
    """Events. What a command of Dagster wipes is in the audit trail."""

    @override
    def wipe_asset(self, asset_key: AssetKey) -> None:
        with recorded("wipe asset", f"asset {asset_key.to_user_string()}"):
            super().wipe_asset(asset_key)


class PooledSchedules(_Part, PostgresScheduleStorage):
    """Ticks and cursors. A table or an index that is there once is not looked for again."""

    def __init__(self, postgres_url: str, should_autocreate_tables: bool) -> None:  # noqa: FBT001 - Dagster's
        self._found = set[str]()
        self._purged_at = dict[str, float]()
        self._clock = time.monotonic
        super().__init__(postgres_url, should_autocreate_tables)

    @override
    def has_instigators_table(self) -> bool:
        return "instigators" in self._found or super().has_instigators_table()

    @override
    def _has_instigators_table(self, conn: Connection) -> bool:
        if "instigators" not in self._found and super()._has_instigators_table(conn):
            self._found.add("instigators")
        return "instigators" in self._found

    @override
    def has_built_index(self, migration_name: str) -> bool:
        if migration_name not in self._found and super().has_built_index(migration_name):
            self._found.add(migration_name)
        return migration_name in self._found

    @override
    def purge_ticks(
        self,
        origin_id: str,
        selector_id: str,
        before: float,
        tick_statuses: Sequence[TickStatus] | None = None,
    ) -> None:
        """Purge once an hour: the daemon asks after each tick, and ticks are kept for days."""
        which = f"{selector_id} {tick_statuses}"
        now = self._clock()
        if now - self._purged_at.get(which, -math.inf) >= PURGE_SECONDS:
            super().purge_ticks(origin_id, selector_id, before, tick_statuses)
            self._purged_at[which] = now


class PooledPostgresStorage(DagsterPostgresStorage):
    """The storage of an instance, which shares its connections with all others of the process."""

    def __init__(self, postgres_url: str) -> None:
        # The parts that Dagster makes are not used; they open no connection.
        super().__init__(postgres_url, should_autocreate_tables=False)
        engine = _engine(postgres_url)
        makes_tables = not MADE.issubset(
            retry_pg_connection_fn(lambda: inspect(engine).get_table_names())
        )
        self._runs = PooledRuns(postgres_url, makes_tables)
        self._events = PooledEvents(postgres_url, makes_tables)
        self._schedules = PooledSchedules(postgres_url, makes_tables)
        for part in (self._runs, self._events, self._schedules):
            part.use(engine)

    @classmethod
    @override
    def from_config_value(
        cls, inst_data: "ConfigurableClassData | None", config_value: Any
    ) -> "PooledPostgresStorage":
        shared = _storage(pg_url_from_config(config_value), os.getpid())
        return shared.of_another_instance(inst_data)

    def of_another_instance(self, inst_data: "ConfigurableClassData | None") -> Self:
        """The same pool and what was found in the database, for an instance of its own."""
        other = copy.copy(self)
        other._inst_data = inst_data  # noqa: SLF001 - of this class
        other._runs = copy.copy(self._runs)  # noqa: SLF001 - as above
        other._events = copy.copy(self._events)  # noqa: SLF001 - as above
        other._schedules = copy.copy(self._schedules)  # noqa: SLF001 - as above
        return other

    @property
    @override
    def run_storage(self) -> PooledRuns:
        return self._runs

    @property
    @override
    def event_log_storage(self) -> PooledEvents:
        return self._events

    @property
    @override
    def schedule_storage(self) -> PooledSchedules:
        return self._schedules


@functools.lru_cache(maxsize=MAX_DATABASES)
def _storage(url: str, _pid: int) -> PooledPostgresStorage:
    """The storage of which those of instances are copies; a forked process has its own.

    Two threads that ask at once may each get one: they then keep connections apart, and no harm is done.
    """
    return PooledPostgresStorage(url)


def _engine(url: str) -> Engine:
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=POOL_SIZE,
        max_overflow=MAX_OVERFLOW,
        pool_recycle=RECYCLE_SECONDS,
        pool_use_lifo=True,
        use_native_hstore=False,  # Dagster has no such column, and each connection would look for the type
    )
    event.listen(engine, "connect", _limit_statements)
    event.listen(engine, "checkout", _require_connection)
    return engine


def _limit_statements(session: Any, _record: object) -> None:
    set_pg_statement_timeout(session, STATEMENT_TIMEOUT_MILLISECONDS)


def _require_connection(session: Any, _record: object, _checked_out: object) -> None:
    """Raises DisconnectionError, upon which the pool opens another connection.

    The first statement after a restart of the database would else fail a run. Nothing is sent: an idle
    session has something to read only when the server has ended it.
    """
    poll = select.poll()
    poll.register(session.fileno(), select.POLLIN)
    if poll.poll(0):
        raise DisconnectionError
