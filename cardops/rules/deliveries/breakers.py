"""The circuit breaker of a destination: when a server that keeps failing is left alone, how long.

Belongs here: its states and moves. Failures that a retry may end count, and so does what ends every other
session the same way, such as rejected credentials. Other permanent errors are those of one file.
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
# Card companies lock accounts after a few wrong passwords in a row; a day's pause lets their counts expire.
REFUSED_PAUSE: Final = timedelta(days=1)
# A process that was let through to try and died is given up after this.
TRIAL_LEASE: Final = timedelta(minutes=5)
# The same for a process that was about to raise the alarm.
ALARM_LEASE: Final = timedelta(minutes=2)


class BreakerState(StrEnum):
    """`half_open`: the pause is over and the next delivery tries."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """How often in a row sessions with a destination failed, and until when it is left alone.

    `alarm_due_at`: since when anybody raises the alarm of its opening; None once that is done.
    `refused_at`: since when sessions are refused (credentials, host key, certificate), until one succeeds.
    """

    failure_count: int = 0
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    last_error: str | None = None
    recovered_at: datetime | None = None
    alarm_due_at: datetime | None = None
    refused_at: datetime | None = None

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
        if count < FAILURES_TO_OPEN and self.is_closed:
            return failed
        doublings = min(max(count - FAILURES_TO_OPEN, 0), 16)
        longest = min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
        return _opened(failed, now, longest * (0.5 + chance / 2))

    def after_refusal(self, now: datetime, error: str, *, is_of_session: bool = True) -> "Breaker":
        """Open at once: the next file would fail the same way. `is_of_session`: so would any session."""
        refused = replace(
            self,
            failure_count=self.failure_count + 1,
            last_error=error,
            refused_at=(self.refused_at or now) if is_of_session else self.refused_at,
        )
        return _opened(refused, now, REFUSED_PAUSE)

    def after_success(self, now: datetime) -> "Breaker":
        """Closed, whatever it was."""
        return Breaker(recovered_at=self.recovered_at if self.is_closed else now)

    def on_trial(self, now: datetime) -> "Breaker":
        """One delivery tries; the others keep waiting until it ends."""
        return replace(self, retry_at=now + TRIAL_LEASE)

    def with_new_settings(self, now: datetime) -> "Breaker":
        """The next delivery tries: what failed may have been the old settings."""
        return self if self.is_closed else replace(self, retry_at=now)

    def is_alarm_due(self, now: datetime) -> bool:
        """Whether the process that opened it has not raised the alarm in time."""
        return self.alarm_due_at is not None and self.alarm_due_at <= now

    def alarming(self, now: datetime) -> "Breaker":
        """Somebody raises the alarm now; the others leave it to them for a while."""
        return replace(self, alarm_due_at=now + ALARM_LEASE) if self.is_alarm_due(now) else self

    def alarmed(self, opened_at: datetime | None) -> "Breaker":
        """The alarm about its opening at that instant was raised."""
        return replace(self, alarm_due_at=None) if self.opened_at == opened_at else self


def _opened(breaker: Breaker, now: datetime, pause: timedelta) -> Breaker:
    due = now + ALARM_LEASE if breaker.opened_at is None else breaker.alarm_due_at
    return replace(
        breaker,
        opened_at=breaker.opened_at or now,
        retry_at=now + pause,
        alarm_due_at=due,  # guard: owed-alarm
    )
