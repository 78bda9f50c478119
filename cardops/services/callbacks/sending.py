"""Callback sending as a whole: the worker and its upkeep over one set of ports.

The authorizer's background work, `cardops callbacks run` and the benchmark all use it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from cardops.services.callbacks.callback_ports import CallbackPorts
from cardops.services.callbacks.host_queues import Pace
from cardops.services.callbacks.upkeep import CallbackUpkeep
from cardops.services.callbacks.worker import CallbackWorker
from cardops.services.loops import cancel_and_wait, repeat_forever

CLOSE_SECONDS: Final = 5.0
PRUNE_SECONDS: Final = 60.0
DEFAULT_LOG_DAYS: Final = 30


class CallbackSending:
    """Sends due callbacks, closes disabled endpoints, forgets endpoints that have not failed for `log_days`."""

    def __init__(
        self, ports: CallbackPorts, *, log_days: int = DEFAULT_LOG_DAYS, pace: Pace | None = None
    ) -> None:
        self._worker = CallbackWorker(ports, pace=pace)
        self._upkeep = CallbackUpkeep(ports, log_days=log_days)

    @property
    def count(self) -> int:
        """Callbacks leased so far."""
        return self._worker.count

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send until the block ends; calls in flight are then waited for."""
        async with self._worker as worker:
            sending = asyncio.create_task(worker.run())
            loops = [
                asyncio.create_task(
                    repeat_forever(self._upkeep.dead_letter_disabled, CLOSE_SECONDS)
                ),
                asyncio.create_task(repeat_forever(self._upkeep.prune, PRUNE_SECONDS)),
            ]
            try:
                yield
            finally:
                worker.stop()
                await cancel_and_wait(*loops)
                await sending

    async def send_due(self) -> None:
        """Send everything that is due now, then return."""
        async with self._worker as worker:
            while await worker.work_once():
                pass
        await self._upkeep.dead_letter_disabled()
