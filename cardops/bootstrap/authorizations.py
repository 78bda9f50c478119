"""What the authorizer decides with, and its traces."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cardops.bootstrap.instance import InstanceAdapters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cardops.ports import (
        Authorizations,
        CallbackOutbox,
        CallerDirectory,
        DatabaseTime,
        ExpiredHolds,
        Reads,
        Tracing,
    )


class AuthorizationAdapters(InstanceAdapters):
    """Decisions and actions."""

    def first_response(self, program: str, status: str) -> str:
        """The first authorization response with that status, as sent; empty where there is none."""
        from cardops.adapters.postgresql.inspection import first_response

        return first_response(self.database.url, program, status)

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
class AuthorizerAdapters:
    """Decisions, who may ask for them, and the outbox of their callbacks."""

    authorizations: Authorizations
    expired_holds: ExpiredHolds
    callers: CallerDirectory
    database_time: DatabaseTime
    outbox: CallbackOutbox
    reads: Reads
    sessions_in_use: Callable[[], int]


def is_tracing_configured() -> bool:
    """Whether traces are sent. Raises TelemetryError where they are configured but cannot work."""
    from cardops.adapters.telemetry.opening import check_telemetry

    return check_telemetry()


def trace_collector() -> str:
    """Host and port of the trace collector, after a trial connection. Raises OSError."""
    from cardops.adapters.telemetry.opening import collector_address

    return collector_address()
