"""What a worker has in hand of each lane, and how much more of it it would take.

One partner that hangs must not hold up the others: of a lane that has not answered yet few are
taken, of one that answers many, of one that does not answer hardly any.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from cardops.rules.callbacks.endpoints import HostCapacity, Lane

MAX_IN_HAND: Final = 1_024
UNPROVEN_ROOM: Final = 32
PROVEN_ROOM: Final = 128
SLOW_ROOM: Final = 4
MAX_AT_ONCE: Final = 32
# A lane that takes longer to answer is not worth having many in hand of.
PROMPT_SECONDS: Final = 2.0
# Lanes that a worker remembers the manner of.
MAX_REMEMBERED: Final = 10_000


class Pace:
    """Lets few begin, then nobody for a moment: for a loop that has more urgent work.

    The moment is counted from when it is over, not from the clock: on a loop that is busy with
    other things fewer begin, and none catch up.
    """

    def __init__(self, count: int, pause_seconds: float) -> None:
        self._count = self._left = count
        self._pause_seconds = pause_seconds
        self._in_turn = asyncio.Lock()

    async def turn(self) -> None:
        """Wait for it, first come first served."""
        async with self._in_turn:
            if not self._left:
                await asyncio.sleep(self._pause_seconds)
                self._left = self._count
            self._left -= 1


@dataclass(slots=True)
class QueueInFlight:
    """One lane: what was taken of it, and how many of that may be under way at once."""

    in_hand: int = 0
    room: int = UNPROVEN_ROOM
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_AT_ONCE))


class HostQueues:
    """All lanes of one worker."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, QueueInFlight] = {}
        self.in_hand = 0

    def room(self) -> HostCapacity:
        """What the next batch may hold of each lane."""
        known = {
            host_queue: max(one.room - one.in_hand, 0) for host_queue, one in self._lanes.items()
        }
        return HostCapacity(UNPROVEN_ROOM, known)

    def enter(self, host_queue: Lane) -> QueueInFlight:
        """One callback more is in hand."""
        if host_queue not in self._lanes and len(self._lanes) >= MAX_REMEMBERED:
            self._forget_idle()
        one = self._lanes.setdefault(host_queue, QueueInFlight())
        one.in_hand += 1
        self.in_hand += 1
        return one

    def leave(self, one: QueueInFlight) -> None:
        """One callback less is in hand."""
        one.in_hand -= 1
        self.in_hand -= 1

    def learn(self, one: QueueInFlight, *, has_answered: bool, seconds: float) -> None:
        """How the lane has just behaved; whatever the status, an answer is one."""
        if not has_answered:
            one.room = SLOW_ROOM
        elif seconds > PROMPT_SECONDS:
            one.room = min(one.room, UNPROVEN_ROOM)
        else:
            one.room = PROVEN_ROOM

    def _forget_idle(self) -> None:
        self._lanes = {host_queue: one for host_queue, one in self._lanes.items() if one.in_hand}
