"""Each step of telling an alarm fails, before or after it took effect; in memory, every step of every action.

The ledger in memory keeps the contract of the real one (tests/adapters/postgresql/test_incidents.py).
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import psycopg
import pytest

from cardops.services.alarms.notifying import IncidentNotifier
from tests.fakes.alarm_channels import FakeChannel, FakeChannels
from tests.fakes.clock import FakeClock
from tests.fakes.incidents import FakeIncidents

KEY: Final = "delivery:visa"
# More than any action has.
STEPS = range(1, 10)


class FailingLedger:
    """Incidents of which one call fails: before it takes effect, or after, when its answer is lost."""

    def __init__(self, inner: FakeIncidents) -> None:
        self.inner = inner
        self.fails_at: int | None = None
        self.takes_effect = False
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            fails = self.calls == self.fails_at
            if fails and not self.takes_effect:
                raise psycopg.OperationalError("the connection was lost")
            found = getattr(self.inner, name)(*arguments, **options)
            if fails:
                raise psycopg.OperationalError("the answer was lost")
            return found

        return call


class World:
    """One instance, its two channels, and a ledger that fails at one call."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = FailingLedger(FakeIncidents(self.clock))
        self.channels = [FakeChannel("file"), FakeChannel("mail")]
        ledger: Any = self.ledger
        self.notifier = IncidentNotifier(lambda: ledger, FakeChannels(self.channels), self.clock)

    def see(self) -> None:
        self.notifier.notify("Deliveries to visa are paused", "refused", incident=KEY)

    def escalate(self) -> None:
        with suppress(psycopg.OperationalError):  # a tick that fails is followed by another
            self.notifier.turn()

    def end(self) -> None:
        self.notifier.resolve(KEY, "It works.")

    def fail_once(self, step: int, action: Callable[[], None], *, takes_effect: bool) -> bool:
        """Whether the action came so far."""
        self.ledger.calls, self.ledger.fails_at = 0, step
        self.ledger.takes_effect = takes_effect
        action()
        self.ledger.fails_at = None
        return self.ledger.calls >= step

    def settle(self) -> None:
        """What the sensor does later."""
        for _ in range(4):
            self.clock.advance(minutes=3)
            self.notifier.turn()

    def told(self, event: str) -> list[int]:
        """How often each channel was told."""
        counts = [Counter(message.event.value for message in it.sent) for it in self.channels]
        return [count[event] for count in counts]


@pytest.mark.parametrize("takes_effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("action", ["see", "escalate", "end"])
def test_alarm_is_told_and_at_most_once_more(action: str, step: int, *, takes_effect: bool) -> None:
    world = World()
    event = {"see": "opened", "escalate": "escalated", "end": "resolved"}[action]
    if action != "see":
        world.see()
    if action == "escalate":
        world.clock.advance(minutes=61)
    is_reached = world.fail_once(step, getattr(world, action), takes_effect=takes_effect)
    # Whoever finds the cause gone says so again; nobody needs to see it again.
    if action == "end":
        world.clock.advance(seconds=timedelta(minutes=1).total_seconds())
        getattr(world, action)()

    world.settle()

    times = world.told(event)
    assert min(times) >= 1, "lost"
    assert max(times) <= 2, "told more than once more"
    assert is_reached or times == [1, 1]
    is_told_alone = (action, step, takes_effect) == ("see", 1, False)
    assert [*world.ledger.inner.by_key] == ([] if is_told_alone else [KEY])
    assert is_told_alone or world.ledger.open_keys("") == ([] if action == "end" else [KEY])


def test_steps_are_as_many_as_are_tried() -> None:
    world = World()

    assert world.fail_once(1, world.see, takes_effect=False)
    assert not world.fail_once(STEPS[-1], world.end, takes_effect=False)
