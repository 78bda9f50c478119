"""Whether the database responds, and its time, on a session that a full pool does not matter to."""

import asyncio
import time
from contextlib import suppress
from datetime import datetime
from typing import Final

import asyncpg

from cardops.adapters.postgresql.sessions import SERVER_SETTINGS, TRANSIENT_ERRORS

# Far above a healthy response time, below what a load balancer waits for.
READY_TIMEOUT_SECONDS: Final = 1.0
# The endpoint needs no key, so the result is cached to bound the load on the database.
CACHE_SECONDS: Final = 0.5


class Readiness:
    """Checks the database on one session, opened at the first check and again when it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()
        self._is_ready = False
        self._valid_until = 0.0

    async def is_ready(self) -> bool:
        """Whether the database responds within READY_TIMEOUT_SECONDS; cached for CACHE_SECONDS."""
        async with self._lock:
            if time.monotonic() >= self._valid_until:
                await self._read()
            return self._is_ready

    async def database_time(self) -> datetime | None:
        """The instant of the database's clock; None where it does not respond in time."""
        async with self._lock:
            return await self._read()

    def terminate(self) -> None:
        """Close the session at once."""
        if self._session is not None:
            self._session.terminate()
            self._session = None

    async def _read(self) -> datetime | None:
        """Whoever waits for this reading learns from it too, instead of waiting for another."""
        at = await self._read_time()
        self._is_ready = at is not None
        self._valid_until = time.monotonic() + CACHE_SECONDS
        return at

    async def _read_time(self) -> datetime | None:
        try:
            async with asyncio.timeout(READY_TIMEOUT_SECONDS):
                if self._session is None or self._session.is_closed():
                    self._session = await asyncpg.connect(
                        self._url, server_settings=SERVER_SETTINGS
                    )
                at: datetime = await self._session.fetchval("select clock_timestamp()")
                return at
        except (*TRANSIENT_ERRORS, asyncpg.PostgresError):
            with suppress(*TRANSIENT_ERRORS):
                self.terminate()
            return None
