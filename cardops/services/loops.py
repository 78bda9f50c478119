"""Loops that repeat a step beside other work until they are cancelled."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

LOGGER: Final = logging.getLogger("cardops.loops")
FAILED_SECONDS: Final = 5.0


async def repeat_forever(step: Callable[[], Awaitable[int]], idle_seconds: float) -> None:
    """Run the step again at once while it returns a count, else after a pause.

    A step that fails is logged and run again after `FAILED_SECONDS`.
    """
    while True:
        try:
            count = await step()
        except Exception:
            LOGGER.exception("background work failed; it will be tried again")
            await asyncio.sleep(FAILED_SECONDS)
            continue
        if not count:
            await asyncio.sleep(idle_seconds)


async def cancel_and_wait(*tasks: "asyncio.Task[None]") -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
