"""Settings to adapters: the only module of the product that names an adapter.

Every entry point (assets through resources, sensors, commands, demo, authorizer, callback worker)
takes its adapters from an `Adapters`. Each adapter is imported and built when it is first asked
for: `cardops version` loads no database driver, and the authorizer never loads polars.

Belongs here: which adapter serves which port under which setting. Use cases are in
cardops.services.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from cardops.adapters.aws.clients import AwsClients
    from cardops.adapters.postgresql.connection import DatabaseUrl
    from cardops.adapters.postgresql.inspection import DatabaseFacts
    from cardops.adapters.postgresql.reconciliation.damages import PostgresDamages
    from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
    from cardops.adapters.warehouse.sessions import DuckDbSessions
    from cardops.ports import (
        Arrivals,
        Authorizations,
        Books,
        CallbackAdministration,
        CallbackArchive,
        CallbackOutbox,
        CallbackSender,
        CallerDirectory,
        Clock,
        DatabaseTime,
        DatabaseWatch,
        DeliveryLedger,
        DepositLedger,
        Destinations,
        ExpectedFiles,
        ExpiredHolds,
        FileMappings,
        IntakeLedger,
        KnownRows,
        Lake,
        LakeBooks,
        Notifier,
        ObjectStore,
        Programs,
        Reads,
        Reports,
        SafeguardingAccounts,
        SecretStore,
        SourceControls,
        SpendingLimits,
        Tracing,
        TransactionLog,
        WaitingList,
    )
    from cardops.settings import Settings

# Sessions of a process that only sends or administers callbacks; the authorizer has its own number.
CALLBACK_SESSIONS: Final = 4


class Adapters:
    """The adapters of one instance of Cardops, as its settings name them.

    Asking for any part of the database starts the embedded server where no URL is set, and applies
    migrations. Raises DatabaseUnavailableError, MigrationChangedError, SettingsError,
    SecretUnreadableError, each with a sentence for the operator. Without `aws` or `duckdb`,
    clients come from boto3 and sessions from duckdb directly.
    """

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
    def notifier(self) -> Notifier:
        """The log and alarms.jsonl, and SNS where a topic is set."""
        from cardops.adapters.notifier import open_notifier

        return open_notifier(self.settings, self.clock, self._aws)

    # Files

    def store(self, role: str) -> ObjectStore:
        """The object store of a role: raw, processed, failed or lake."""
        from cardops.adapters.object_stores.opening import open_store

        return open_store(self.settings.store_url(role))

    @cached_property
    def raw_store(self) -> ObjectStore:
        """Input files, never changed by Cardops."""
        return self.store("raw")

    @cached_property
    def processed_store(self) -> ObjectStore:
        """Chargeback files and their control files."""
        return self.store("processed")

    @cached_property
    def failed_store(self) -> ObjectStore:
        """Quarantined rows and refused files."""
        return self.store("failed")

    @cached_property
    def lake(self) -> Lake:
        """Parquet by business date; a remote lake is mirrored under the home."""
        from cardops.adapters.warehouse.lake import ParquetLake

        return ParquetLake(self.store("lake"), self.settings.home / "lake-mirror")

    @cached_property
    def lake_books(self) -> LakeBooks:
        """Closing balances and transaction log in the lake, compared with DuckDB."""
        from cardops.adapters.warehouse.lake_books import DuckDbLakeBooks

        return DuckDbLakeBooks(self.lake, self._duckdb)

    @cached_property
    def warehouse(self) -> DuckDbWarehouse:
        """The DuckDB file that dbt builds, and what is published of it."""
        from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse

        return DuckDbWarehouse(self.settings.home, self._duckdb)

    @cached_property
    def reports(self) -> Reports:
        """Figures and pages of daily reports."""
        from cardops.adapters.warehouse.reports import DuckDbReports

        return DuckDbReports(self.warehouse, self.settings.home / "reports")

    @cached_property
    def arrivals(self) -> Arrivals:
        """New files under `incoming/`, found by listing the raw store."""
        from cardops.adapters.object_stores.listing import ListedArrivals
        from cardops.adapters.object_stores.opening import open_listing

        listing = open_listing(self.settings.store_url("raw"), self._aws)
        return ListedArrivals(listing, self.intake_ledger)

    # Delivery

    @cached_property
    def destinations(self) -> Destinations:
        """The card companies' servers, as their secrets say."""
        from cardops.adapters.file_delivery.destinations import SecretDestinations

        return SecretDestinations(self.secrets)

    # PostgreSQL, synchronous

    def query_live(self, query: str, max_rows: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of one read-only statement. Raises QueryRefusedError."""
        from cardops.adapters.postgresql.read_only_query import run_read_only_query

        return run_read_only_query(self.database.url, query, max_rows)

    def query_marts(self, query: str, max_rows: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The same for the published marts. Raises MartsQueryError, NothingBuiltError."""
        from cardops.adapters.warehouse.published_query import query_published

        return query_published(self.settings.home, query, max_rows)

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

    def first_response(self, program: str, status: str) -> str:
        """The first authorization response with that status, as sent; empty where there is none."""
        from cardops.adapters.postgresql.inspection import first_response

        return first_response(self.database.url, program, status)

    @cached_property
    def programs(self) -> Programs:
        """Card programs, API keys and blocked users."""
        from cardops.adapters.postgresql.programs.programs import PostgresPrograms

        return PostgresPrograms(self.database.url)

    @cached_property
    def spending_limits(self) -> SpendingLimits:
        """Limits of users and programs."""
        from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits

        return PostgresSpendingLimits(self.database.url)

    @cached_property
    def intake_ledger(self) -> IntakeLedger:
        """Which files were seen, claimed and applied."""
        from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger

        return PostgresIntakeLedger(self.database.url)

    @cached_property
    def file_mappings(self) -> FileMappings:
        """How senders' files differ from the contract."""
        from cardops.adapters.postgresql.mappings.mappings import PostgresFileMappings

        return PostgresFileMappings(self.database.url)

    @cached_property
    def waiting_list(self) -> WaitingList:
        """Rows that wait for a reference."""
        from cardops.adapters.postgresql.intake.waiting_list import PostgresWaitingList

        return PostgresWaitingList(self.database.url, timedelta(days=self.settings.waiting_days))

    @cached_property
    def known_rows(self) -> KnownRows:
        """The index of accepted rows."""
        from cardops.adapters.postgresql.intake.known_rows import PostgresKnownRows

        return PostgresKnownRows(self.database.url)

    @cached_property
    def safeguarding_accounts(self) -> SafeguardingAccounts:
        """Bank accounts that hold users' money."""
        from cardops.adapters.postgresql.bank.safeguarding import PostgresSafeguardingAccounts

        return PostgresSafeguardingAccounts(self.database.url)

    @cached_property
    def expected_files(self) -> ExpectedFiles:
        """The calendar of files that senders should deliver."""
        from cardops.adapters.postgresql.intake.expected_files import PostgresExpectedFiles

        return PostgresExpectedFiles(self.database.url)

    @cached_property
    def source_controls(self) -> SourceControls:
        """What programs demand of their deposit files, and which are held."""
        from cardops.adapters.postgresql.intake.source_controls import PostgresSourceControls

        return PostgresSourceControls(self.database.url)

    @cached_property
    def deposit_ledger(self) -> DepositLedger:
        """Deposits into accounts."""
        from cardops.adapters.postgresql.accounts.deposits import PostgresDepositLedger

        return PostgresDepositLedger(self.database.url)

    @cached_property
    def delivery_ledger(self) -> DeliveryLedger:
        """Chargeback files and the state of each delivery."""
        from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger

        return PostgresDeliveryLedger(self.database.url)

    @cached_property
    def transaction_log(self) -> TransactionLog:
        """Every decision, deposit, recall and action, by business date."""
        from cardops.adapters.postgresql.reconciliation.transaction_log import (
            PostgresTransactionLog,
        )

        return PostgresTransactionLog(self.database.url)

    @cached_property
    def books(self) -> Books:
        """What reconciliation reads of the store."""
        from cardops.adapters.postgresql.reconciliation.books import PostgresBooks

        return PostgresBooks(self.database.url)

    @cached_property
    def callback_archive(self) -> CallbackArchive:
        """Old callbacks and attempts, with the days for which the settings retain them."""
        from cardops.adapters.postgresql.callbacks.archive import PostgresCallbackArchive
        from cardops.rules.callbacks.archives import Retention

        retention = Retention(self.settings.callback_days, self.settings.callback_log_days)
        return PostgresCallbackArchive(self.database.url, retention)

    # PostgreSQL, asynchronous

    @asynccontextmanager
    async def callback_adapters(self) -> AsyncIterator[CallbackAdapters]:
        """The outbox and its administration on one small pool, until the block ends."""
        from cardops.adapters.postgresql.callbacks.administration import (
            PostgresCallbackAdministration,
        )
        from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
        from cardops.adapters.postgresql.readiness import Readiness
        from cardops.adapters.postgresql.sessions import open_pool

        url = self.database.url
        pool, readiness = await open_pool(url, max_size=CALLBACK_SESSIONS), Readiness(url)
        try:
            yield CallbackAdapters(
                PostgresCallbackOutbox(pool), PostgresCallbackAdministration(pool), readiness
            )
        finally:
            readiness.terminate()
            pool.terminate()

    @asynccontextmanager
    async def callback_sender(self) -> AsyncIterator[CallbackSender]:
        """The HTTP client of callbacks, until the block ends; its connections are then closed."""
        from cardops.adapters.callback_http.client import CallbackClient

        client = CallbackClient(allow_loopback=self.settings.allow_loopback_callbacks)
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def authorizer_adapters(self) -> AsyncIterator[AuthorizerAdapters]:
        """What decisions, actions and callbacks need, until the block ends."""
        from cardops.adapters.postgresql.authorizations.authorizations import (
            PostgresAuthorizations,
        )
        from cardops.adapters.postgresql.authorizations.expired_holds import PostgresExpiredHolds
        from cardops.adapters.postgresql.authorizer_pools import authorizer_pools
        from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
        from cardops.adapters.postgresql.programs.caller_directory import PostgresCallerDirectory
        from cardops.adapters.postgresql.reads import PostgresReads

        hold_period = timedelta(seconds=self.settings.hold_seconds)
        async with authorizer_pools(self.database.url) as pools:
            yield AuthorizerAdapters(
                authorizations=PostgresAuthorizations(
                    pools.decisions, action_pool=pools.actions, hold_period=hold_period
                ),
                expired_holds=PostgresExpiredHolds(pools.actions),
                callers=PostgresCallerDirectory(pools.decisions, pools.readiness),
                database_time=pools.readiness,
                outbox=PostgresCallbackOutbox(pools.actions),
                reads=PostgresReads(pools.readers),
                sessions_in_use=pools.in_use,
            )

    @asynccontextmanager
    async def tracing(self, service: str) -> AsyncIterator[Tracing | None]:
        """OpenTelemetry as its own variables ask for it, else None. Raises TelemetryError."""
        from cardops.adapters.telemetry.opening import open_tracing

        tracing = open_tracing(service)
        try:
            yield tracing
        finally:
            if tracing is not None:
                await asyncio.to_thread(tracing.close)


@dataclass(frozen=True, slots=True)
class CallbackAdapters:
    """Callbacks for a process that is not the authorizer."""

    outbox: CallbackOutbox
    administration: CallbackAdministration
    database_time: DatabaseTime


@dataclass(frozen=True, slots=True)
class AuthorizerAdapters:
    """Decisions, who may ask for them, and the outbox of their callbacks."""

    authorizations: Authorizations
    expired_holds: ExpiredHolds
    callers: CallerDirectory
    database_time: DatabaseTime
    outbox: CallbackOutbox
    reads: Reads
    sessions_in_use: Callable[[], int]


def file_lock(path: Path, *, wait: bool = True) -> AbstractContextManager[None]:
    """One process at a time in the block. Raises BlockingIOError if locked and `wait` is false."""
    from cardops.adapters.file_locks import exclusive_lock

    return exclusive_lock(path, wait=wait)


def copied_database(url: str) -> AbstractContextManager[str]:
    """URL of a copy of the whole store, dropped when the block ends. Raises CopyRefusedError."""
    from cardops.adapters.postgresql.database_copy import copied_database

    return copied_database(url)


def keep_one_program(url: str, program: str) -> None:
    """Remove all other programs from the database of a copy."""
    from cardops.adapters.postgresql.database_copy import keep_one_program

    keep_one_program(url, program)


def store_damages(url: str) -> PostgresDamages:
    """Plants damages in the database of a copy."""
    from cardops.adapters.postgresql.reconciliation.damages import PostgresDamages

    return PostgresDamages(url)


def stop_unused_server(settings: Settings) -> None:
    """Stop the embedded PostgreSQL that killed processes left running, unless others use it."""
    if settings.database_url is None:
        from cardops.adapters.embedded_postgresql.server import EmbeddedServer

        server = EmbeddedServer(settings.home, settings.postgres_bin)
        server.join()
        server.leave()


def is_tracing_configured() -> bool:
    """Whether traces are sent. Raises TelemetryError where they are configured but cannot work."""
    from cardops.adapters.telemetry.opening import check_telemetry

    return check_telemetry()


def trace_collector() -> str:
    """Host and port of the trace collector, after a trial connection. Raises OSError."""
    from cardops.adapters.telemetry.opening import collector_address

    return collector_address()


def dbt_program() -> tuple[Path, tuple[str, ...]]:
    """The folder of the dbt project, and the command that runs dbt."""
    from cardops.adapters.warehouse import dbt

    return dbt.PROJECT_DIR, dbt.dbt_command()


def dbt_manifest() -> Path:
    """The dbt project's manifest, parsed again if the project is newer. Raises DbtFailedError."""
    from cardops.adapters.warehouse.dbt import ensure_manifest

    return ensure_manifest()
