"""On which of its business days a card company counts a file, and until when it must be there.

Belongs here: cut-off, time zone and holidays of one destination. Files are sent at any time: waiting
for an opening hour would only bring a dispute closer to its deadline.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cardops.rules.deliveries.destinations import Destination

_SATURDAY: Final = 5
_END_OF_DAY: Final = time(23, 59, 59)
# No bank closes for so long.
_MAX_DAYS: Final = 31


def counts_on(
    at: datetime, destination: Destination, is_holiday: Callable[[date], bool]
) -> date | None:
    """The business day for which a file counts that is there at an instant; None without a calendar."""
    if not destination.has_calendar:
        return None
    local = at.astimezone(ZoneInfo(destination.time_zone))
    day = local.date()
    if local.time() > (destination.cut_off_at or _END_OF_DAY):
        day += timedelta(days=1)
    for _ in range(_MAX_DAYS):
        if day.weekday() < _SATURDAY and not is_holiday(day):
            break
        day += timedelta(days=1)
    return day


def cut_off_on(day: date, destination: Destination) -> datetime:
    """The instant until which a file counts for that business day."""
    at = destination.cut_off_at or _END_OF_DAY
    return datetime.combine(day, at, ZoneInfo(destination.time_zone)).astimezone(UTC)
