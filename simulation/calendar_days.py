"""When things happen in the simulated world: days, hours, and how instants are formatted."""

from datetime import UTC, date, datetime, timedelta, timezone
from random import Random
from typing import Final

# Relative traffic by hour, UTC: quiet nights, a lunch peak, a higher evening peak.
HOURS: Final = (2, 1, 1, 1, 1, 2, 4, 7, 9, 10, 11, 13, 14, 12, 11, 11, 12, 14, 17, 19, 18, 13, 8, 4)
# Relative traffic by weekday from Monday: weekends sell more.
WEEKDAYS: Final = (9, 9, 9, 10, 12, 14, 12)
_HOUR_NUMBERS: Final = tuple(range(24))
_OFFSETS: Final = (timezone(timedelta(hours=2)), timezone(timedelta(hours=-5)))


class Days:
    """Draws instants from a span of days that ends with `last`, inclusive."""

    def __init__(self, last: date, length: int) -> None:
        self._days = [last - timedelta(days=back) for back in range(length - 1, -1, -1)]
        self._weights = [WEEKDAYS[day.weekday()] for day in self._days]

    def draw(self, rng: Random, count: int) -> list[datetime]:
        """That many instants, in order of time."""
        days = rng.choices(self._days, self._weights, k=count)
        hours = rng.choices(_HOUR_NUMBERS, HOURS, k=count)
        return sorted(
            datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
            + timedelta(seconds=rng.randrange(3600))
            for day, hour in zip(days, hours, strict=True)
        )


def instant_text(at: datetime) -> str:
    """`2026-10-01T12:34:56Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def offset_text(rng: Random, at: datetime) -> str:
    """The same instant as another time zone writes it."""
    return at.astimezone(rng.choice(_OFFSETS)).isoformat()


def naive_text(at: datetime) -> str:
    """Without an offset: UTC by convention, and flagged."""
    return at.strftime("%Y-%m-%dT%H:%M:%S")
