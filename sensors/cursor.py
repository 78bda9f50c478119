"""What an arrival sensor remembers from tick to tick: little, and bounded by what is in doubt."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Final

# A file whose runs died so often is given up; between tries it waits longer and longer.
MAX_TRIES: Final = 6
FIRST_PAUSE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a run was asked for again, and when last; 0 when it was first seen unfinished."""

    count: int
    last_at: str

    def is_due(self, now: datetime) -> bool:
        """Whether the pause is over. The first gives a command time to begin what it claimed."""
        pause = FIRST_PAUSE * int(4 ** max(self.count - 1, 0))
        return now - datetime.fromisoformat(self.last_at) >= pause


@dataclass(frozen=True, slots=True)
class Cursor:
    """`waiting`: key -> version of files perhaps being written. `tries`: by intake id."""

    waiting: Mapping[str, str] = field(default_factory=dict)
    tries: Mapping[int, Tries] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        """What was remembered; nothing where there is none or it cannot be read."""
        try:
            stored = json.loads(text or "{}")
            tries = {int(key): Tries(**value) for key, value in stored.get("tries", {}).items()}
            return cls(dict(stored.get("waiting", {})), tries)
        except (ValueError, TypeError, AttributeError):
            # Remembering saves a look or a pause; what is true is in the ledger.
            return cls()

    def text(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self), separators=(",", ":"))
