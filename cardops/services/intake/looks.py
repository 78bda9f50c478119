"""Looks at what arrives of one kind, from event to claim: for a process that lives long.

Belongs here: how long a file must stand still, and what is remembered between two looks. When to look
is told by an ArrivalWatch; which run follows is decided elsewhere.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cardops.ports import Arrivals
from cardops.rules.intake.arrivals import ArrivalPoll
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.rules.intake.objects import ObjectStat
from cardops.services.intake.claiming import Claims

# A file that was not put whole is claimed when it stood still for so long and no program of this machine
# has it open for writing (docs/decisions/0081).
STILL_SECONDS: Final = 1.0


@dataclass
class Looks:
    """One kind. `seen`: key -> version of a file that may be being written, and since when it has that.

    `position`: how far listing everything in parts has come.
    """

    kind: Kind
    claims: Claims
    now: Callable[[], float] = time.monotonic
    seen: dict[str, tuple[str, float]] = field(default_factory=dict)
    position: str = ""

    def look(
        self, arrivals: Arrivals, keys: Collection[str] | None = None
    ) -> tuple[list[IntakeFile], bool]:
        """Claim what is new and complete; also whether to look again at once, as there is more."""
        now = self.now()
        poll = arrivals.poll(self.kind, self._settled(now), keys, position=self.position)
        if keys is None:
            self.position = poll.position
        unread: list[ObjectStat] = []
        claimed = self.claims.claim(self.kind, poll.ready, unread)
        read = tuple(stat for stat in poll.ready if stat not in unread)
        arrivals.acknowledge(replace(poll, ready=read))
        self._remember(poll, keys, now)
        return claimed, poll.has_more

    def due(self) -> Collection[str]:
        """Keys that stood still long enough since the last look, unless they were written meanwhile."""
        return self._settled(self.now()).keys()

    def seconds_to_next(self) -> float | None:
        """Until some key is due; None where none is waited for."""
        oldest = min((since for _, since in self.seen.values()), default=None)
        return None if oldest is None else max(0.0, oldest + STILL_SECONDS - self.now())

    def _settled(self, now: float) -> Mapping[str, str]:
        return {
            key: version
            for key, (version, since) in self.seen.items()
            if now - since >= STILL_SECONDS
        }

    def _remember(self, poll: ArrivalPoll, keys: Collection[str] | None, now: float) -> None:
        """What waits, with the time of its version: that of a file with a writer begins anew."""
        looked_at = self.seen.keys() if keys is None else keys
        has_writer = set() if poll.has_more else set(self._settled(now))
        former = {key: self.seen.pop(key) for key in list(looked_at) if key in self.seen}
        for key, version in poll.waiting.items():
            known = former.get(key, ("", now))
            is_same = known[0] == version and key not in has_writer
            self.seen[key] = known if is_same else (version, now)
