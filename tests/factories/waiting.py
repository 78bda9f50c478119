"""Waiting for what another thread, task or process brings about.

A test asks again and again, quickly, and gives up late: a busy machine is slow, and a test that
waits in vain fails anyway.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final

PATIENCE_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.02


def wait_until(
    condition: Callable[[], object],
    what: str = "the condition",
    *,
    seconds: float = PATIENCE_SECONDS,
    pause_seconds: float = PAUSE_SECONDS,
) -> float:
    """Wait until it holds; returns the seconds waited. Raises AssertionError when they are over."""
    began = time.monotonic()
    for _ in _looks(condition, what, began + seconds):
        time.sleep(pause_seconds)
    return time.monotonic() - began


async def until(
    condition: Callable[[], object],
    what: str = "the condition",
    *,
    seconds: float = PATIENCE_SECONDS,
    pause_seconds: float = PAUSE_SECONDS,
) -> float:
    """The same beside other tasks, which go on meanwhile."""
    began = time.monotonic()
    for _ in _looks(condition, what, began + seconds):
        await asyncio.sleep(pause_seconds)
    return time.monotonic() - began


def _looks(condition: Callable[[], object], what: str, end: float) -> Iterator[None]:
    """One item for each pause that is needed."""
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        yield
