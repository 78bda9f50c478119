"""Background loops: send callbacks, release expired holds, measure ages, compare clocks.

Belongs here: which loops run, and how often. What the sweeper does is in sweeper.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

from authorizer.dependencies import Dependencies
from authorizer.metrics import Metrics
from authorizer.sweeper import Sweeper
from cardops.ports import CallbackSender
from cardops.services.callbacks.callback_ports import CallbackPorts
from cardops.services.callbacks.host_queues import Pace
from cardops.services.callbacks.sending import CallbackSending
from cardops.services.clock_check import CHECK_SECONDS
from cardops.services.loops import cancel_and_wait, repeat_forever

# Decisions share this event loop and have priority: at most about 1,500 callbacks per second.
CALLS_PER_TURN: Final = 4
PAUSE_SECONDS: Final = 0.002
SWEEP_SECONDS: Final = 5.0
WATCH_SECONDS: Final = 5.0


@asynccontextmanager
async def background_work(dependencies: Dependencies, metrics: Metrics) -> AsyncIterator[None]:
    """Run all loops until the block ends, then wait for callbacks in flight."""
    async with AsyncExitStack() as stack:
        if dependencies.callback_sender is not None:
            sending = callback_sending(dependencies, dependencies.callback_sender, metrics)
            await stack.enter_async_context(sending.running())
        loops = [
            asyncio.create_task(
                repeat_forever(partial(watch, dependencies, metrics), WATCH_SECONDS)
            ),
            asyncio.create_task(repeat_forever(dependencies.clock_check.check, CHECK_SECONDS)),
        ]
        if dependencies.expired_holds is not None:
            sweeper = Sweeper(
                dependencies.expired_holds, dependencies.batcher, metrics, dependencies.notifier
            )
            loops.append(asyncio.create_task(repeat_forever(sweeper.turn, SWEEP_SECONDS)))
        try:
            yield
        finally:
            await cancel_and_wait(*loops)


def callback_sending(
    dependencies: Dependencies, sender: CallbackSender, metrics: Metrics
) -> CallbackSending:
    """Callback sending at a pace that leaves most of the event loop to decisions."""
    ports = CallbackPorts(
        dependencies.outbox,
        dependencies.secrets,
        sender,
        dependencies.clock_check,
        notifier=dependencies.notifier,
        metrics=metrics,
        tracing=dependencies.tracing,
    )
    return CallbackSending(
        ports,
        log_days=dependencies.limits.callback_log_days,
        pace=Pace(CALLS_PER_TURN, PAUSE_SECONDS),
    )


async def watch(dependencies: Dependencies, metrics: Metrics) -> int:
    """Read the ages and counts that only the database knows and report them as metrics."""
    now = dependencies.clock_check.now()
    due_at = await dependencies.outbox.oldest_due_at(now)
    overdue_at = None
    if dependencies.expired_holds is not None:
        overdue_at = await dependencies.expired_holds.oldest_overdue_at()
    disabled_count = await dependencies.outbox.disabled_endpoint_count()
    metrics.record_watch(
        due_at.timestamp() if due_at else None,
        overdue_at.timestamp() if overdue_at else None,
        disabled_count,
    )
    dependencies.report_load(metrics)
    return 0
