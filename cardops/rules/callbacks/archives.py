"""How long callbacks stay in the store, and the parts in which they go to the lake.

Belongs here: which days are archived, and how a part is named. A callback belongs to the day on which
its id was generated, and so do all its attempts.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

DEFAULT_DAYS: Final = 30
_ID: Final = re.compile(r"cb_([0-9a-f]{16})")


class ArchivedTable(StrEnum):
    """What is archived, named as in the store and in the lake."""

    CALLBACKS = "callbacks"
    ATTEMPTS = "callback_attempts"


@dataclass(frozen=True, slots=True)
class Retention:
    """Days for which delivered callbacks, and attempts at any callback, stay in the store."""

    callback_days: int = DEFAULT_DAYS
    attempt_days: int = DEFAULT_DAYS

    def ends_at(self, table: ArchivedTable, business_date: date) -> datetime:
        """What ended before this instant is archived when that date is closed."""
        days = self.callback_days if table is ArchivedTable.CALLBACKS else self.attempt_days
        return datetime.combine(business_date - timedelta(days=days - 1), time(), UTC)


@dataclass(frozen=True, slots=True)
class ArchivePart:
    """A file of a day in the lake. Numbered from 1: a day has a second one where some ended later."""

    table: ArchivedTable
    business_date: date
    number: int
    row_count: int
    content_sha256: str

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.number:04d}"


def day_of(callback_id: str) -> date | None:
    """The UTC date on which the id was generated; None where it is no id of ours."""
    match = _ID.match(callback_id)
    if match is None:
        return None
    try:
        return datetime.fromtimestamp(int(match[1], 16) / 1_000_000, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
