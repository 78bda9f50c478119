"""The dates that tests of real clocks are about: the database's, a command's, a process's.

A run of all tests lasts long enough to cross midnight, so a date is asked for when it is needed and not
when the tests are collected. And no file begins so shortly before midnight that it would end on another
date: tests/conftest.py lets it wait.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final

# How long the tests of a file may take: those of whole days, and the others.
WHOLE_DAYS: Final = ("tests/end_to_end/", "tests/orchestration/local/")
SECONDS_OF_A_FILE: Final = {True: 240.0, False: 60.0}


def today() -> date:
    return datetime.now(UTC).date()


def yesterday() -> date:
    return today() - timedelta(days=1)


def seconds_to_wait(file: str, now: datetime) -> float:
    """Until the next date has begun in UTC, if the file would be at work when it begins; else nothing."""
    tomorrow = now.date() + timedelta(days=1)
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=UTC)
    seconds = (midnight - now).total_seconds()
    return seconds + 1 if seconds < SECONDS_OF_A_FILE[file.startswith(WHOLE_DAYS)] else 0
