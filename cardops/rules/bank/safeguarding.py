"""Safeguarding: users' money lies on accounts of its own at the bank, all of it, every day.

Belongs here: which accounts, when a statement is due, and the names of the checks.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

ONE_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5


class SafeguardingCheck(StrEnum):
    """Each is a sentence that is true where it passes."""

    MONEY_IS_THERE = "money_at_bank_equals_money_owed"
    STATEMENT_IS_THERE = "every_due_bank_statement_is_there"
    STATEMENTS_FOLLOW = "bank_statements_follow_each_other"


@dataclass(frozen=True, slots=True)
class SafeguardingAccount:
    """A bank account of users' money: from `since_on` on, and no longer from `until_on` on.

    `holidays` names a calendar of days of which its bank makes no statement, beside weekends.
    """

    program: str
    account_id: str
    since_on: date
    until_on: date | None
    added_by: str
    removed_by: str | None = None
    holidays: str | None = None

    def is_in_force(self, on: date) -> bool:
        """Whether users' money lay there at that date's close."""
        return self.since_on <= on and (self.until_on is None or on < self.until_on)


def last_business_day(until: date, holidays: Container[date] = ()) -> date:
    """The last date up to this one of which a bank makes a statement: no weekend, no holiday."""
    day = until
    while day.weekday() >= _SATURDAY or day in holidays:
        day -= ONE_DAY
    return day
