"""What an arrival sensor remembers from tick to tick: bounded by the files that are in doubt."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from cardops.rules.intake.retries import Tries
from cardops.rules.intake.sweeps import Sweep


@dataclass(frozen=True, slots=True)
class Cursor:
    """`waiting`: key -> version of files perhaps being written. `tries`: by intake id.

    `position`: how far listing a bucket in parts has come. `looked_at`: when the sensor last looked, in
    seconds since 1970.
    """

    waiting: Mapping[str, str] = field(default_factory=dict)
    tries: Mapping[int, Tries] = field(default_factory=dict)
    position: str = ""
    looked_at: float = 0.0

    def has_nothing_in_doubt(self) -> bool:
        """Whether the next look goes on with nothing: no file is perhaps written, none is tried again."""
        return not (self.waiting or self.tries or Sweep.parse(self.position).after)

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        """The stored cursor; an empty one where there is none or it is unreadable."""
        try:
            stored = json.loads(text or "{}")
            tries = {int(key): _tries(**value) for key, value in stored.get("tries", {}).items()}
            return cls(
                dict(stored.get("waiting", {})),
                tries,
                str(stored.get("position", "")),
                float(stored.get("looked_at", 0)),
            )
        except (ValueError, TypeError, AttributeError):
            # The ledger holds the truth; a lost cursor costs one poll or one pause.
            return cls()

    def text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), separators=(",", ":"))


def _tries(count: int, last_at: str, series: int = 0) -> Tries:
    """Of a cursor that a person may have set by hand. Raises ValueError, TypeError."""
    if datetime.fromisoformat(last_at).tzinfo is None:
        raise ValueError("the instant has no offset")
    return Tries(int(count), last_at, int(series))
