"""What the intake worker tells the arrival sensors: that it lives, and of which kinds nothing is left to them.

It is kept where Dagster's daemon keeps its cursors, so that a sensor reads it without a session on the store.
A worker whose process is gone counts as gone at once on its own machine, and within a minute on another.
"""

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import dagster as dg

from cardops.rules.intake.files import Kind
from sensors.processes import is_process_alive, process_tag

KEY: Final = "cardops/intake_worker"
# The worker says so every quarter of it.
VALID_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Presence:
    """One worker: its process, when it said so, and the kinds of which it does all there is to do."""

    process: str
    told_at: float
    kinds: Collection[Kind]

    def minds(self, kind: Kind) -> bool:
        """Whether the worker lives and nothing of the kind is left to the sensors."""
        is_fresh = 0 <= time.time() - self.told_at < VALID_SECONDS
        return is_fresh and kind in self.kinds and is_process_alive(self.process)


def tell(instance: dg.DagsterInstance, kinds: Collection[Kind]) -> None:
    """This process lives, and does all there is to do of these kinds."""
    told = {"process": process_tag(), "told_at": time.time(), "kinds": sorted(kinds)}
    instance.daemon_cursor_storage.set_cursor_values({KEY: json.dumps(told)})


def told(instance: dg.DagsterInstance) -> Presence | None:
    """What a worker said last; None where none ever did, or it cannot be read."""
    text = instance.daemon_cursor_storage.get_cursor_values({KEY}).get(KEY)
    try:
        found = json.loads(text or "")
        return Presence(found["process"], found["told_at"], frozenset(map(Kind, found["kinds"])))
    except (ValueError, TypeError, KeyError):
        return None
