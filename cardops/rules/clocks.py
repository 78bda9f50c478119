"""How far a process's clock is off the database's, which is the only one that decides anything.

Belongs here: the comparison and its sentence. Reading the clocks is done by adapters.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cardops.rules.errors import ExplainedError

# Clocks kept by NTP agree to milliseconds. One that is seconds off is not kept by anything.
MAX_CLOCK_SKEW: Final = timedelta(seconds=2)
_NONE: Final = timedelta()


class ClockReading(NamedTuple):
    """The database's instant, and the local ones just before and after it was read."""

    asked_at: datetime
    database_at: datetime
    answered_at: datetime

    @property
    def skew(self) -> timedelta:
        """By how much the local clock is ahead, beyond what the round trip explains; below 0: behind.

        A right clock has the database's instant between its own two.
        """
        if self.database_at < self.asked_at:
            return self.asked_at - self.database_at
        if self.database_at > self.answered_at:
            return self.answered_at - self.database_at
        return _NONE

    @property
    def is_off(self) -> bool:
        """Whether a process with this clock must not serve."""
        return abs(self.skew) > MAX_CLOCK_SKEW


class ClockSkewError(ExplainedError):
    """This machine's clock is seconds off the database's."""

    def __init__(self, reading: ClockReading) -> None:
        super().__init__(
            f"The clock of this machine is {skew_text(reading)} the database's, so it serves "
            "nothing; correct the machine's time (NTP, chrony), or the database server's if that "
            "is the wrong one, and start again."
        )


def skew_text(reading: ClockReading) -> str:
    """`8 days, 0:00:05 ahead of`, or `1:00:00 behind`."""
    skew = reading.skew
    amount = timedelta(seconds=round(abs(skew).total_seconds()))
    return f"{amount} {'ahead of' if skew > _NONE else 'behind'}"
