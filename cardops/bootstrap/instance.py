"""What every subject builds on: the instance's settings, database, clocks, secrets and notifier."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from cardops.adapters.aws.clients import AwsClients
    from cardops.adapters.postgresql.connection import DatabaseUrl
    from cardops.adapters.postgresql.inspection import DatabaseFacts
    from cardops.adapters.warehouse.sessions import DuckDbSessions
    from cardops.ports import (
        AlarmChannels,
        AuditTrail,
        Clock,
        DatabaseWatch,
        Incidents,
        SecretStore,
    )
    from cardops.services.alarms.notifying import IncidentNotifier
    from cardops.settings import Settings


class InstanceAdapters:
    """The settings of one instance, and what serves no subject alone."""

    def __init__(
        self,
        settings: Settings,
        *,
        aws: AwsClients | None = None,
        duckdb: DuckDbSessions | None = None,
    ) -> None:
        self.settings = settings
        self._aws = aws
        self._duckdb = duckdb

    @cached_property
    def database(self) -> DatabaseUrl:
        """The database's addresses; it stays up until this process ends."""
        from cardops.adapters.postgresql.connection import connect_info

        return connect_info(self.settings)

    @property
    def database_watch(self) -> DatabaseWatch | None:
        """What keeps the embedded server running; None where a URL names another server."""
        from cardops.adapters.postgresql.connection import database_watch

        return database_watch(self.settings)

    @cached_property
    def clock(self) -> Clock:
        """The machine's clock, in UTC."""
        from cardops.adapters.clock import SystemClock

        return SystemClock()

    @cached_property
    def database_clock(self) -> Clock:
        """The database's clock, read with every look: for what is decided by an instant."""
        from cardops.adapters.postgresql.database_clock import PostgresClock

        return PostgresClock(self.database.url)

    @cached_property
    def secrets(self) -> SecretStore:
        """What CARDOPS_SECRETS names."""
        from cardops.adapters.secrets import secret_store

        return secret_store(self.settings, self._aws)

    @cached_property
    def notifier(self) -> IncidentNotifier:
        """What records incidents and tells operators of them. It opens the database when it needs it."""
        from cardops.services.alarms.notifying import IncidentNotifier

        return IncidentNotifier(lambda: self.incidents, self.alarm_channels, self.clock)

    @cached_property
    def incidents(self) -> Incidents:
        """Alarms as incidents, each with its state."""
        from cardops.adapters.postgresql.incidents import PostgresIncidents
        from cardops.rules.alarms.incidents import AlarmPolicy

        after = timedelta(minutes=self.settings.alarm_escalation_minutes)
        return PostgresIncidents(self.database.url, AlarmPolicy(after))

    @cached_property
    def audit_trail(self) -> AuditTrail:
        """Who changed what."""
        from cardops.adapters.postgresql.audit_trail import PostgresAuditTrail

        return PostgresAuditTrail(self.database.url)

    @cached_property
    def alarm_channels(self) -> AlarmChannels:
        """The log and alarms.jsonl, SNS where a topic is set, and what `alarm-channels` names."""
        from cardops.adapters.alarm_channels import ConfiguredChannels

        return ConfiguredChannels(self.settings, self.secrets, self._aws)

    def database_facts(self) -> DatabaseFacts:
        """What `cardops doctor` reports about the database."""
        from cardops.adapters.postgresql.inspection import inspect_database

        return inspect_database(self.database.url)

    def check_clock(self) -> None:
        """Raises ClockSkewError where this machine's clock is seconds off the database's."""
        from cardops.adapters.postgresql.inspection import read_clocks
        from cardops.rules.clocks import ClockSkewError

        reading = read_clocks(self.database.url, self.clock)
        if reading.is_off:
            raise ClockSkewError(reading)

    def query_live(self, query: str, max_rows: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of one read-only statement. Raises QueryRefusedError."""
        from cardops.adapters.postgresql.read_only_query import run_read_only_query

        return run_read_only_query(self.database.url, query, max_rows)


def file_lock(path: Path, *, wait: bool = True) -> AbstractContextManager[None]:
    """One process at a time in the block. Raises BlockingIOError if locked and `wait` is false."""
    from cardops.adapters.file_locks import exclusive_lock

    return exclusive_lock(path, wait=wait)


def is_disk_full(place: Path) -> bool:
    """Whether an embedded database there has no room to go on."""
    from cardops.adapters.embedded_postgresql.cluster import is_disk_full

    return is_disk_full(place)


def keep_sessions() -> None:
    """From now on, the adapters of this process keep their sessions at the database for the next ones."""
    from cardops.adapters.postgresql.kept_sessions import keep_sessions

    keep_sessions()


def stop_unused_server(settings: Settings) -> None:
    """Stop the embedded PostgreSQL that killed processes left running, unless others use it."""
    if settings.database_url is None:
        from cardops.adapters.embedded_postgresql.server import EmbeddedServer

        server = EmbeddedServer(settings.home, settings.postgres_bin)
        server.join()
        server.leave()
