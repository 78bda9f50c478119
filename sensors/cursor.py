"""What an arrival sensor remembers from tick to tick: bounded by the files that are in doubt."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from cardops.rules.intake.retries import Tries


@dataclass(frozen=True, slots=True)
class Cursor:
    """`waiting`: key -> version of files perhaps being written. `tries`: by intake id.

    `position`: how far listing a bucket in parts has come.
    """

    waiting: Mapping[str, str] = field(default_factory=dict)
    tries: Mapping[int, Tries] = field(default_factory=dict)
    position: str = ""

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        """The stored cursor; an empty one where there is none or it is unreadable."""
        try:
            stored = json.loads(text or "{}")
            tries = {int(key): Tries(**value) for key, value in stored.get("tries", {}).items()}
            return cls(dict(stored.get("waiting", {})), tries, str(stored.get("position", "")))
        except (ValueError, TypeError, AttributeError):
            # The ledger holds the truth; a lost cursor costs one poll or one pause.
            return cls()

    def text(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), separators=(",", ":"))
