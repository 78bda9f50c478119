"""A clock that a test sets."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from cardops.ports import Clock


@dataclass
class FakeClock(Clock):
    """`advance` moves it."""

    at: datetime = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    @override
    def now(self) -> datetime:
        return self.at

    def advance(self, **by: float) -> None:
        self.at += timedelta(**by)
