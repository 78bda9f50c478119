"""The callback worker as a process of its own: until a stop signal, or until nothing is due."""

import asyncio
import signal
from typing import Final

import uvloop

from authorizer.background import sending
from authorizer.callbacks.upkeep import CallbackUpkeep
from authorizer.callbacks.worker import CallbackWorker
from cardops.adapters.clock import SystemClock
from cardops.adapters.notifier import open_notifier
from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.connection import connect_info
from cardops.adapters.postgresql.sessions import open_pool
from cardops.adapters.secrets import secret_store
from cardops.adapters.telemetry.opening import open_tracing
from cardops.settings import Settings
from orchestration.cli.output import say

SESSIONS: Final = 4


def run_worker(settings: Settings, *, once: bool) -> int:
    """How many callbacks were taken."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, once=once))


async def _run(settings: Settings, *, once: bool) -> int:
    tracing = open_tracing("cardops-callbacks")
    pool = await open_pool(connect_info(settings).url, max_size=SESSIONS)
    clock = SystemClock()
    outbox = PostgresCallbackOutbox(pool)
    worker = CallbackWorker(
        outbox,
        secret_store(settings),
        clock,
        allow_loopback=settings.allow_loopback_callbacks,
    )
    if tracing is not None:
        worker.on_attempt = tracing.emit
    upkeep = CallbackUpkeep(
        outbox,
        clock,
        notifier=open_notifier(settings, clock),
        kept_days=settings.callback_log_days,
    )
    try:
        if once:
            await _send_what_is_due(worker, upkeep)
        else:
            await _send_until_stopped(worker, upkeep)
    finally:
        pool.terminate()
        if tracing is not None:
            await asyncio.to_thread(tracing.close)
    return worker.count


async def _send_what_is_due(worker: CallbackWorker, upkeep: CallbackUpkeep) -> None:
    async with worker:
        while await worker.work_once():
            pass
    await upkeep.close_disabled()


async def _send_until_stopped(worker: CallbackWorker, upkeep: CallbackUpkeep) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    say("Sending callbacks; Ctrl-C stops.")
    async with sending(worker, upkeep):
        await stop.wait()
        say("Stopping: callbacks under way are waited for.")
