"""Whether the database answers, asked over a session of its own: a full pool must not make it lie."""

import asyncio
import time
from contextlib import suppress
from typing import Final

import asyncpg

from cardops.adapters.postgresql.sessions import SERVER_SETTINGS, TRANSIENT_ERRORS

# Above a healthy answer by far, below what a load balancer waits for.
READY_TIMEOUT_SECONDS: Final = 1.0
# The path needs no key: however often it is asked, the database is asked this often at most.
KEPT_SECONDS: Final = 0.5


class Readiness:
    """One session, opened when first asked for, and again after it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: asyncpg.Connection | None = None
        self._one_at_a_time = asyncio.Lock()
        self._is_ready = False
        self._good_until = 0.0

    async def is_ready(self) -> bool:
        """Whether the database answers within a second; told again for half a second."""
        async with self._one_at_a_time:
            if time.monotonic() >= self._good_until:
                self._is_ready = await self._ask()
                self._good_until = time.monotonic() + KEPT_SECONDS
            return self._is_ready

    def terminate(self) -> None:
        """Drop the session."""
        if self._session is not None:
            self._session.terminate()
            self._session = None

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(READY_TIMEOUT_SECONDS):
                if self._session is None or self._session.is_closed():
                    self._session = await asyncpg.connect(
                        self._url, server_settings=SERVER_SETTINGS
                    )
                return bool(await self._session.fetchval("select true"))
        except (*TRANSIENT_ERRORS, asyncpg.PostgresError):
            with suppress(*TRANSIENT_ERRORS):
                self.terminate()
            return False
