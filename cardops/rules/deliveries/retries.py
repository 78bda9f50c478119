"""When an undelivered chargeback file is tried again in another run.

Belongs here: the pauses between runs and when to give up. The attempts inside one run are in
cardops.rules.deliveries.recipe.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

# 2, 8, 32 minutes, then every four hours: about three days of a card company's outage.
FIRST_PAUSE: Final = timedelta(minutes=2)
LONGEST_PAUSE: Final = timedelta(hours=4)
MAX_RETRIES: Final = 20
MAX_RUNS_A_TICK: Final = 8
# More undelivered files than this wait for a later tick.
MAX_FILES_A_TICK: Final = 500


@dataclass(frozen=True, slots=True)
class RetryCount:
    """How many runs were requested of a file, and when the last was; 0 when it was first seen."""

    count: int
    last_at: datetime

    @classmethod
    def parse(cls, count: object, last_at: str) -> "RetryCount":
        """As a cursor keeps it, which a person may have set by hand. Raises ValueError, TypeError."""
        at = datetime.fromisoformat(last_at)
        if at.tzinfo is None:
            raise ValueError("the instant has no offset")
        return cls(int(str(count)), at)

    @property
    def is_exhausted(self) -> bool:
        """Whether the file had all its retries."""
        return self.count >= MAX_RETRIES

    @property
    def is_given_up(self) -> bool:
        """Whether the alarm about it was already raised."""
        return self.count > MAX_RETRIES

    def is_due(self, now: datetime) -> bool:
        """Whether the pause since the last run is over. The first lets the file's own run begin."""
        if self.is_given_up:
            return False
        pause = min(FIRST_PAUSE * int(4 ** min(self.count, 8)), LONGEST_PAUSE)
        return now - self.last_at >= pause

    def next(self, now: datetime) -> "RetryCount":
        """Counted once more."""
        return RetryCount(self.count + 1, now)
