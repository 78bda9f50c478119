"""Safeguarding: users' money lies on accounts of its own at the bank, all of it, every day.

Belongs here: which accounts, when a statement is due, and the names of the checks.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

_SATURDAY: Final = 5


class SafeguardingCheck(StrEnum):
    """Each is a sentence that is true where it passes."""

    MONEY_IS_THERE = "money_at_bank_equals_money_owed"
    STATEMENT_IS_THERE = "every_due_bank_statement_is_there"
    STATEMENTS_FOLLOW = "bank_statements_follow_each_other"


@dataclass(frozen=True, slots=True)
class SafeguardingAccount:
    """A bank account of users' money: from `since_on` on, and no longer from `until_on` on."""

    program: str
    account_id: str
    since_on: date
    until_on: date | None
    added_by: str
    removed_by: str | None = None

    def is_in_force(self, on: date) -> bool:
        """Whether users' money lay there at that date's close."""
        return self.since_on <= on and (self.until_on is None or on < self.until_on)


def is_statement_due(statement_date: date, today: date) -> bool:
    """Banks close the books of weekdays, and send the statement on the next date.

    Before a statement is due, and on weekends, the latest one counts.
    """
    return statement_date.weekday() < _SATURDAY and statement_date < today
