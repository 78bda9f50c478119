"""How many callbacks a worker has in flight per host queue, and how many more it accepts.

A partner that does not respond must not delay the others: a queue whose host has not responded
yet gets a small share, one that responds promptly a large one, one that fails to respond hardly
any.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from cardops.rules.callbacks.endpoints import HostCapacity, HostQueueKey

MAX_IN_FLIGHT: Final = 1_024
UNPROVEN_IN_FLIGHT: Final = 32
PROMPT_IN_FLIGHT: Final = 128
UNRESPONSIVE_IN_FLIGHT: Final = 4
MAX_CONCURRENT_CALLS: Final = 32
# A response that takes longer is slow: the host's share is not raised.
PROMPT_SECONDS: Final = 2.0
# Host queues whose behaviour a worker remembers.
MAX_REMEMBERED: Final = 10_000


class Pace:
    """Lets a few callers through, then none for a pause: for a loop with more urgent work.

    The pause begins when the loop gets to it, not by the clock: on a busy loop fewer callers pass,
    and none catch up later.
    """

    def __init__(self, count: int, pause_seconds: float) -> None:
        self._count = self._left = count
        self._pause_seconds = pause_seconds
        self._in_turn = asyncio.Lock()

    async def wait(self) -> None:
        """Wait until this caller may go on, first come first served."""
        async with self._in_turn:
            if not self._left:
                await asyncio.sleep(self._pause_seconds)
                self._left = self._count
            self._left -= 1


@dataclass(slots=True)
class HostQueue:
    """Callbacks of one program to one host that this worker has leased."""

    in_flight: int = 0
    max_in_flight: int = UNPROVEN_IN_FLIGHT
    calls: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(MAX_CONCURRENT_CALLS)
    )


class HostQueues:
    """All host queues of one worker."""

    def __init__(self) -> None:
        self._queues: dict[HostQueueKey, HostQueue] = {}
        self.in_flight = 0

    def capacity(self) -> HostCapacity:
        """How many callbacks the next batch may have of each host queue."""
        by_queue = {
            key: max(host_queue.max_in_flight - host_queue.in_flight, 0)
            for key, host_queue in self._queues.items()
        }
        return HostCapacity(UNPROVEN_IN_FLIGHT, by_queue)

    def add(self, key: HostQueueKey) -> HostQueue:
        """Count one more callback in flight; returns its queue."""
        if key not in self._queues and len(self._queues) >= MAX_REMEMBERED:
            self._forget_idle()
        host_queue = self._queues.setdefault(key, HostQueue())
        host_queue.in_flight += 1
        self.in_flight += 1
        return host_queue

    def remove(self, host_queue: HostQueue) -> None:
        """Count one callback less in flight."""
        host_queue.in_flight -= 1
        self.in_flight -= 1

    def adapt(self, host_queue: HostQueue, *, has_responded: bool, seconds: float) -> None:
        """Adapt the queue's share to the host's last behaviour; any status is a response."""
        if not has_responded:
            host_queue.max_in_flight = UNRESPONSIVE_IN_FLIGHT
        elif seconds > PROMPT_SECONDS:
            host_queue.max_in_flight = min(host_queue.max_in_flight, UNPROVEN_IN_FLIGHT)
        else:
            host_queue.max_in_flight = PROMPT_IN_FLIGHT

    def _forget_idle(self) -> None:
        self._queues = {
            key: host_queue for key, host_queue in self._queues.items() if host_queue.in_flight
        }
