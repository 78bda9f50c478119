"""What goes on beside requests: callbacks are sent, overdue holds end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from authorizer.callback_worker import CallbackWorker
from authorizer.logs import LOGGER
from authorizer.metrics import Metrics
from authorizer.parts import Parts

SWEEP_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 0.5
FAILED_SECONDS: Final = 5.0
MAX_SWEPT: Final = 500


@asynccontextmanager
async def background_work(parts: Parts, metrics: Metrics) -> AsyncIterator[None]:
    """Both loops, until the block ends."""
    async with CallbackWorker(
        parts.outbox,
        parts.secrets,
        parts.clock,
        allow_loopback=parts.limits.allow_loopback,
        metrics=metrics,
    ) as worker:
        tasks = [
            asyncio.create_task(forever(worker.work_once, IDLE_SECONDS)),
            asyncio.create_task(forever(lambda: sweep(parts), SWEEP_SECONDS)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks, return_exceptions=True)


async def forever(work: Callable[[], Awaitable[int]], idle_seconds: float) -> None:
    """Again at once while there is work, else after a pause; a failure never ends it."""
    while True:
        try:
            count = await work()
        except Exception:  # noqa: BLE001 - whatever it was, the next round may go well
            LOGGER.exception("background work failed; it is tried again")
            await asyncio.sleep(FAILED_SECONDS)
            continue
        if not count:
            await asyncio.sleep(idle_seconds)


async def sweep(parts: Parts) -> int:
    """End holds past their time."""
    return await parts.authorizations.expire_holds(parts.clock.now(), MAX_SWEPT)
