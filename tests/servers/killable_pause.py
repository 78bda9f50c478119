"""A delivery to a server that is down, which kills itself at any step of storing and telling that."""

from dataclasses import replace
from pathlib import Path

from tests.fakes.clock import FakeClock
from tests.servers.file_notifier import FileNotifier
from tests.servers.killable_delivery import KillableProxy, StepCounter, service


def deliver_and_die_pausing(
    url: str, home: Path, secret: dict[str, object], batch_id: str, dies_at: int | None
) -> None:
    """Deliver one file to `visa` in this process; the alarms go to `home/alarms`."""
    counter = StepCounter(dies_at)
    delivering = service(url, home, {"visa": secret}, StepCounter(None))
    replace(
        delivering,
        breakers=KillableProxy(delivering.breakers, counter, frozenset({"change"})),
        notifier=KillableProxy(
            FileNotifier(home / "alarms", FakeClock()), counter, frozenset({"notify"})
        ),
    ).deliver(batch_id, "visa")
