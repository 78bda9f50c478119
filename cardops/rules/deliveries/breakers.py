"""The circuit breaker of a destination: when a server that keeps failing is left alone, how long.

Belongs here: its states and moves. Only failures that a retry may end count; a wrong password fails
its file for good and says nothing about the next attempt.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

# One delivery's attempts, so the first file that finds a server down is the only one that waits for it.
FAILURES_TO_OPEN: Final = 4
# Below the first pause between runs (rules.deliveries.retries), so that no retry is in vain.
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(minutes=32)
# A process that was let through to try and died is given up after this.
TRIAL_LEASE: Final = timedelta(minutes=5)


class BreakerState(StrEnum):
    """`half_open`: the pause is over and the next delivery tries."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """How often in a row sessions with a destination failed, and until when it is left alone."""

    failure_count: int = 0
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    last_error: str | None = None
    recovered_at: datetime | None = None

    @property
    def is_closed(self) -> bool:
        """Whether deliveries go on as usual."""
        return self.retry_at is None

    def state(self, now: datetime) -> BreakerState:
        """Its state at an instant."""
        if self.retry_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self.retry_at else BreakerState.HALF_OPEN

    def after_failure(self, now: datetime, error: str, chance: float) -> "Breaker":
        """One more failure; the pause doubles with each one after it opened. `chance` in [0, 1)."""
        count = self.failure_count + 1
        failed = replace(self, failure_count=count, last_error=error)
        if count < FAILURES_TO_OPEN:
            return failed
        longest = min(FIRST_PAUSE * (1 << min(count - FAILURES_TO_OPEN, 16)), LONGEST_PAUSE)
        pause = longest * (0.5 + chance / 2)
        return replace(failed, opened_at=self.opened_at or now, retry_at=now + pause)

    def after_success(self, now: datetime) -> "Breaker":
        """Closed, whatever it was."""
        return Breaker(recovered_at=self.recovered_at if self.is_closed else now)

    def on_trial(self, now: datetime) -> "Breaker":
        """One delivery tries; the others keep waiting until it ends."""
        return replace(self, retry_at=now + TRIAL_LEASE)
