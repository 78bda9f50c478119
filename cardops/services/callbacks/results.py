"""Stores the results of attempts in groups: all that have ended meanwhile, in one statement."""

import asyncio
import logging
from typing import Final

from cardops.ports import CallbackOutbox
from cardops.rules.callbacks.callbacks import CallbackResult

LOGGER: Final = logging.getLogger("cardops.callbacks")
MAX_GROUP: Final = 256
# After the last of these pauses the group is dropped: its leases expire and the callbacks are sent
# again.
RETRY_SECONDS: Final = (0.2, 1.0, 5.0)


class ResultWriter:
    """A group forms while the previous one is written: no timer, and no waiting for slow calls."""

    def __init__(self, outbox: CallbackOutbox) -> None:
        self._outbox = outbox
        self._waiting: list[CallbackResult] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        """Results not written yet."""
        return len(self._waiting)

    def add(self, result: CallbackResult) -> None:
        """Write it with the next group."""
        self._waiting.append(result)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def flush(self) -> None:
        """Return once everything is written."""
        if self._task is not None:
            await self._task

    async def _write(self) -> None:
        while self._waiting:
            group = self._waiting[:MAX_GROUP]
            await self._record(group)
            del self._waiting[: len(group)]

    async def _record(self, group: list[CallbackResult]) -> None:
        for pause in (*RETRY_SECONDS, None):
            try:
                await self._outbox.record(group)
            except Exception:
                LOGGER.exception("callback results could not be stored")
            else:
                return
            if pause is not None:
                await asyncio.sleep(pause)
