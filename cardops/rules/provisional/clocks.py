"""The clocks of the regulations as dated data, and the calendars that they count in.

Belongs here: reading the data and counting days. What is due is decided in disputes.py.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache

from cardops.rules.bank.safeguarding import ONE_DAY, last_business_day
from cardops.rules.data_tables import is_valid_on, read_table


class Preset(StrEnum):
    """Regulations that have clocks."""

    REGULATION_E = "regulation_e"
    REGULATION_Z = "regulation_z"


class ClockName(StrEnum):
    """What a clock limits. The values are those of the data."""

    NOTIFICATION = "notification"
    ACKNOWLEDGEMENT = "acknowledgement"
    CREDIT = "credit"
    CREDIT_NEW_ACCOUNT = "credit_new_account"
    NEW_ACCOUNT = "new_account"
    WITHHELD_AT_MOST = "withheld_at_most"
    INVESTIGATION = "investigation"
    INVESTIGATION_EXTENDED = "investigation_extended"
    INVESTIGATION_AT_MOST = "investigation_at_most"
    NOTICE_OF_CREDIT = "notice_of_credit"
    CORRECTION = "correction"
    NOTICE_OF_RESULT = "notice_of_result"
    NOTICE_BEFORE_TAKING_BACK = "notice_before_taking_back"
    HONOURING = "honouring"


class Unit(StrEnum):
    """What a clock counts."""

    DAYS = "days"
    BUSINESS_DAYS = "business_days"
    BILLING_CYCLES = "billing_cycles"
    USD_MINOR = "usd_minor"


@dataclass(frozen=True, slots=True)
class Clock:
    """So many units, and where that is written."""

    name: ClockName
    count: int
    unit: Unit
    source: str


@dataclass(frozen=True, slots=True)
class BusinessDays:
    """A banking calendar: every day but weekends and its holidays."""

    holidays: Container[date]

    def after(self, day: date, count: int) -> date:
        """The last of so many business days after that day; of none, the day itself."""
        for _ in range(count):
            day += ONE_DAY
            while last_business_day(day, self.holidays) != day:
                day += ONE_DAY
        return day


@cache
def find_clock(
    preset: Preset,
    name: ClockName,
    on: date,
    network: str | None = None,
    reason_category: str | None = None,
) -> Clock | None:
    """The clock in force on that date; a network's own, where it is shorter than the regulation's."""
    found = [
        Clock(name, int(row["count"]), Unit(row["unit"]), row["source"])
        for row in read_table("provisional_clocks")
        if (row["policy"], row["clock"]) == (preset, name)
        and is_valid_on(row, on)
        and row["network"] in {"", network}
        and row["reason_category"] in {"", reason_category}
    ]
    # A network's rows only shorten: business days count before days of the same number.
    return min(found, key=lambda clock: clock.count, default=None)


def ends_on(clock: Clock, since: date, calendar: BusinessDays) -> date:
    """The last day of the clock that began on that day."""
    if clock.unit is Unit.BUSINESS_DAYS:
        return calendar.after(since, clock.count)
    if clock.unit is Unit.BILLING_CYCLES:
        return _end_of_month(since, clock.count)
    return since + timedelta(days=clock.count)


def statement_date(made_on: date) -> date:
    """When a purchase was first on a statement: statements are taken to be of calendar months."""
    return _end_of_month(made_on, 0)


def _end_of_month(day: date, months_later: int) -> date:
    """The last day of the month that is so many months after the day's."""
    months = day.year * 12 + day.month + months_later
    return date(months // 12, months % 12 + 1, 1) - ONE_DAY
