"""Rows that wait for a reference, as an operator sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from cardops.rules.intake.waiting import OverdueRows, WaitingRow

# Rows listed for a person at most.
MAX_LISTED_ROWS: Final = 10_000


class WaitingList(Protocol):
    """Unreleased rows. `deadline`: how long waiting is normal."""

    @property
    def deadline(self) -> timedelta:
        """From the settings."""

    def rows(self, program: str | None = None) -> Sequence[WaitingRow]:
        """The rows, those that wait longest first, at most MAX_LISTED_ROWS."""

    def overdue(self, now: datetime) -> Sequence[OverdueRows]:
        """Rows that wait longer than the deadline and were not reported, by file."""

    def reported(self, overdue: OverdueRows, now: datetime) -> None:
        """The rows of the file that are overdue now are not reported again."""
