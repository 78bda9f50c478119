"""What runs beside requests: callbacks are sent, expired holds end, ages are measured."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from authorizer.dependencies import Dependencies
from authorizer.metrics import Metrics
from cardops.ports import CallbackSender
from cardops.services.callbacks.callback_ports import CallbackPorts
from cardops.services.callbacks.host_queues import Pace
from cardops.services.callbacks.sending import CallbackSending
from cardops.services.loops import cancel_and_wait, repeat_forever

# Decisions are made on the same loop and go first: at most about 1,500 callbacks a second.
CALLS_PER_TURN: Final = 4
PAUSE_SECONDS: Final = 0.002
SWEEP_SECONDS: Final = 5.0
WATCH_SECONDS: Final = 5.0
MAX_SWEPT: Final = 500


@asynccontextmanager
async def background_work(dependencies: Dependencies, metrics: Metrics) -> AsyncIterator[None]:
    """All loops, until the block ends; callbacks in flight are then waited for."""
    async with AsyncExitStack() as stack:
        if dependencies.callback_sender is not None:
            sending = callback_sending(dependencies, dependencies.callback_sender, metrics)
            await stack.enter_async_context(sending.running())
        loops = [
            asyncio.create_task(
                repeat_forever(lambda: sweep(dependencies, metrics), SWEEP_SECONDS)
            ),
            asyncio.create_task(
                repeat_forever(lambda: watch(dependencies, metrics), WATCH_SECONDS)
            ),
        ]
        try:
            yield
        finally:
            await cancel_and_wait(*loops)


def callback_sending(
    dependencies: Dependencies, sender: CallbackSender, metrics: Metrics
) -> CallbackSending:
    """Callback sending at a pace that leaves the loop to decisions."""
    ports = CallbackPorts(
        dependencies.outbox,
        dependencies.secrets,
        sender,
        dependencies.clock,
        notifier=dependencies.notifier,
        metrics=metrics,
        tracing=dependencies.tracing,
    )
    return CallbackSending(
        ports,
        log_days=dependencies.limits.callback_log_days,
        pace=Pace(CALLS_PER_TURN, PAUSE_SECONDS),
    )


async def sweep(dependencies: Dependencies, metrics: Metrics) -> int:
    """End expired holds, a bounded batch; returns how many."""
    count = await dependencies.authorizations.expire_holds(dependencies.clock.now(), MAX_SWEPT)
    metrics.swept()
    return count


async def watch(dependencies: Dependencies, metrics: Metrics) -> int:
    """Put the ages and counts that only the database knows into the metrics."""
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
