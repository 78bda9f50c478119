"""The outbox of callbacks, its sender and its archive."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cardops.bootstrap.instance import InstanceAdapters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cardops.ports import (
        CallbackAdministration,
        CallbackArchive,
        CallbackOutbox,
        CallbackSender,
        DatabaseTime,
    )

# Sessions of a process that only sends or administers callbacks; the authorizer has its own number.
CALLBACK_SESSIONS: Final = 4


class CallbackStores(InstanceAdapters):
    """What sends, administers and archives callbacks."""

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

    @cached_property
    def callback_archive(self) -> CallbackArchive:
        """Old callbacks and attempts, with the days for which the settings retain them."""
        from cardops.adapters.postgresql.callbacks.archive import PostgresCallbackArchive
        from cardops.rules.callbacks.archives import Retention

        retention = Retention(self.settings.callback_days, self.settings.callback_log_days)
        return PostgresCallbackArchive(self.database.url, retention)


@dataclass(frozen=True, slots=True)
class CallbackAdapters:
    """Callbacks for a process that is not the authorizer."""

    outbox: CallbackOutbox
    administration: CallbackAdministration
    database_time: DatabaseTime
