"""Circuit breakers in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import RLock

from typing_extensions import override

from cardops.ports import Breakers
from cardops.rules.deliveries.breakers import Breaker


@dataclass
class FakeBreakers(Breakers):
    """`values` are the breakers of destinations that ever failed."""

    values: dict[str, Breaker] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)

    @override
    def find(self, destination: str) -> Breaker:
        return self.values.get(destination, Breaker())

    @override
    def all(self) -> Mapping[str, Breaker]:
        return dict(self.values)

    @override
    def change(
        self, destination: str, change: Callable[[Breaker], Breaker]
    ) -> tuple[Breaker, Breaker]:
        with self._lock:
            before = self.find(destination)
            self.values[destination] = change(before)
            return before, self.values[destination]
