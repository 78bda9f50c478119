"""The callback worker as a process of its own: until a stop signal, or until nothing is due."""

import asyncio
import signal

import uvloop

from cardops.bootstrap import Adapters
from cardops.services.callbacks.callback_ports import CallbackPorts
from cardops.services.callbacks.sending import CallbackSending
from cardops.services.clock_check import CHECK_SECONDS, ClockCheck
from cardops.services.loops import cancel_and_wait, repeat_forever
from cardops.settings import Settings
from orchestration.cli.output import say


def run_worker(settings: Settings, *, once: bool) -> int:
    """Send callbacks; returns how many were leased."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(Adapters(settings), once=once))


async def _run(adapters: Adapters, *, once: bool) -> int:
    async with (
        adapters.tracing("cardops-callbacks") as tracing,
        adapters.callback_adapters() as callbacks,
        adapters.callback_sender() as sender,
    ):
        clock = ClockCheck(adapters.clock, callbacks.database_time)
        await clock.check()
        ports = CallbackPorts(
            callbacks.outbox,
            adapters.secrets,
            sender,
            clock,
            notifier=adapters.notifier,
            tracing=tracing,
        )
        sending = CallbackSending(ports, log_days=adapters.settings.callback_log_days)
        if once:
            await sending.send_due()
        else:
            comparing = asyncio.create_task(repeat_forever(clock.check, CHECK_SECONDS))
            await _send_until_stopped(sending)
            await cancel_and_wait(comparing)
        return sending.count


async def _send_until_stopped(sending: CallbackSending) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    say("Sending callbacks; press Ctrl-C to stop.")
    async with sending.running():
        await stop.wait()
        say("Stopping; waiting for callbacks in flight.")
