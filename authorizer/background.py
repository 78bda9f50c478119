"""What goes on beside requests: callbacks are sent, overdue holds end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

from authorizer.callbacks.host_queues import Pace
from authorizer.callbacks.upkeep import CallbackUpkeep
from authorizer.callbacks.worker import CallbackWorker
from authorizer.dependencies import Dependencies
from authorizer.logs import LOGGER
from authorizer.metrics import Metrics

# Decisions are made on the same loop, and go first: up to about 1,500 callbacks a second.
STARTED_AT_ONCE: Final = 4
PAUSE_SECONDS: Final = 0.002
SWEEP_SECONDS: Final = 5.0
WATCH_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 5.0
PRUNE_SECONDS: Final = 60.0
FAILED_SECONDS: Final = 5.0
MAX_SWEPT: Final = 500


@asynccontextmanager
async def background_work(dependencies: Dependencies, metrics: Metrics) -> AsyncIterator[None]:
    """All loops, until the block ends; callbacks under way are then waited for."""
    async with AsyncExitStack() as stack:
        if dependencies.limits.sends_callbacks:
            await stack.enter_async_context(_sending(dependencies, metrics))
        loops = [
            asyncio.create_task(forever(lambda: sweep(dependencies, metrics), SWEEP_SECONDS)),
            asyncio.create_task(forever(lambda: watch(dependencies, metrics), WATCH_SECONDS)),
        ]
        try:
            yield
        finally:
            await ended(*loops)


def _sending(dependencies: Dependencies, metrics: Metrics) -> AbstractAsyncContextManager[None]:
    worker = CallbackWorker(
        dependencies.outbox,
        dependencies.secrets,
        dependencies.clock,
        allow_loopback=dependencies.limits.allow_loopback,
        metrics=metrics,
        pace=Pace(STARTED_AT_ONCE, PAUSE_SECONDS),
    )
    if dependencies.tracing is not None:
        worker.on_attempt = dependencies.tracing.emit
    upkeep = CallbackUpkeep(
        dependencies.outbox,
        dependencies.clock,
        notifier=dependencies.notifier,
        metrics=metrics,
        kept_days=dependencies.limits.callback_log_days,
    )
    return sending(worker, upkeep)


@asynccontextmanager
async def sending(worker: CallbackWorker, upkeep: CallbackUpkeep) -> AsyncIterator[None]:
    """Callbacks are sent and looked after until the block ends; those under way then end."""
    async with worker:
        running = asyncio.create_task(worker.run())
        loops = [
            asyncio.create_task(forever(upkeep.close_disabled, CLOSE_SECONDS)),
            asyncio.create_task(forever(upkeep.prune, PRUNE_SECONDS)),
        ]
        try:
            yield
        finally:
            worker.stop()
            await ended(*loops)
            await running


async def ended(*tasks: "asyncio.Task[None]") -> None:
    """End tasks and wait until they have."""
    for task in tasks:
        task.cancel()
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


async def sweep(dependencies: Dependencies, metrics: Metrics) -> int:
    """End holds past their time."""
    count = await dependencies.authorizations.expire_holds(dependencies.clock.now(), MAX_SWEPT)
    metrics.swept()
    return count


async def watch(dependencies: Dependencies, metrics: Metrics) -> int:
    """Read what only the database knows and operators must see."""
    at = dependencies.clock.now()
    due = await dependencies.outbox.oldest_due_at(at)
    overdue = await dependencies.authorizations.oldest_overdue_at(at)
    disabled_count = await dependencies.outbox.disabled_endpoint_count()
    metrics.watched(
        due.timestamp() if due else None,
        overdue.timestamp() if overdue else None,
        disabled_count,
    )
    metrics.busy(dependencies.batcher.waiting_count, dependencies.sessions_in_use())
    return 0
