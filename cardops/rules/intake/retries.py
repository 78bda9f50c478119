"""When a file whose run died is due for another run, and when it is given up.

Belongs here: pauses and limits, over values.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# A file whose runs died so often is marked dead.
MAX_TRIES: Final = 6
FIRST_PAUSE: Final = timedelta(seconds=30)
_PAUSE_FACTOR: Final = 4


@dataclass(frozen=True, slots=True)
class Tries:
    """How many runs were requested again, and when the last was; 0 when first seen unfinished.

    `last_at` is ISO 8601. `series`: the file's attempt series, since tries of an earlier one do not
    count.
    """

    count: int
    last_at: str
    series: int = 0

    def is_due(self, now: datetime) -> bool:
        """Whether the pause is over. The first one lets a command begin what it claimed."""
        pause = FIRST_PAUSE * int(_PAUSE_FACTOR ** max(self.count - 1, 0))
        return now - datetime.fromisoformat(self.last_at) >= pause

    @property
    def are_exhausted(self) -> bool:
        """Whether no further run is requested."""
        return self.count >= MAX_TRIES

    def next(self, now: datetime) -> "Tries":
        """After one more run was requested."""
        return Tries(self.count + 1, now.isoformat(), self.series)
