"""Rows that wait for a reference: what waits for what, since when, and until when that is normal."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cardops.rules.intake.files import Kind


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A quarantined row and the id whose arrival releases it. `file` is the key of its file."""

    intake_id: int
    row_number: int
    kind: Kind
    program: str
    file: str
    reference_id: str
    waiting_since: datetime

    def is_overdue(self, deadline: timedelta, now: datetime) -> bool:
        """Whether it waits longer than references usually take."""
        return now - self.waiting_since > deadline


@dataclass(frozen=True, slots=True)
class OverdueRows:
    """Rows of one file that passed the deadline and were not reported yet."""

    intake_id: int
    file: str
    row_count: int
    waiting_since: datetime
