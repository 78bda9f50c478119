"""The alarm that no business date has become final for too long.

Belongs here: the age of the watermark (the newest date whose books agree and whose log is complete), and
what keeps later dates from becoming final.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from cardops.ports import Books, Clock, Notifier

RUNBOOK: Final = "docs/runbooks/books-not-final.md"
WATERMARK: Final = "watermark:books"
# Two nights in which nothing became final, and until six o'clock, when books are read. One night alone is
# the alarm of a late close or of a break.
MAX_AGE: Final = timedelta(hours=54)
ONE_DAY: Final = timedelta(days=1)
MAX_NAMED: Final = 7


@dataclass(frozen=True, slots=True)
class Watermark:
    """`newest` is None where no date was ever final; `ended_at` is then the beginning of the first date."""

    newest: date | None
    ended_at: datetime
    age: timedelta

    @property
    def is_old(self) -> bool:
        """Whether an alarm is due."""
        return self.age >= MAX_AGE


@dataclass(frozen=True, slots=True)
class WatermarkAge:
    """Reads the books' records; `first` is the first date that is closed at all."""

    books: Books
    clock: Clock
    first: date

    def look(self) -> Watermark:
        """As it stands now."""
        now = self.clock.now()
        day = self.books.last_reconciled(now.date())
        newest = day.business_date if day is not None else None
        ended_at = _start(newest + ONE_DAY if newest is not None else self.first)
        return Watermark(newest, ended_at, now - ended_at)

    def report(self, notifier: Notifier) -> Watermark:
        """One incident until a newer date is final."""
        watermark = self.look()
        if not watermark.is_old:
            notifier.resolve(WATERMARK, f"{watermark.newest} is final.")
            return watermark
        newest = watermark.newest or "the beginning"
        notifier.notify(
            f"No business date is final since {newest}",
            f"Two nights passed in which no date's books were compared without a break on a complete log. "
            f"{' '.join(self._waiting(watermark))} Each night compares everything since {newest} again, so "
            "that closes take longer and longer.",
            runbook=RUNBOOK,
            incident=WATERMARK,
        )
        return watermark

    def _waiting(self, watermark: Watermark) -> Iterator[str]:
        """What is known of the dates after it that are over, oldest first."""
        since, until = watermark.ended_at.date(), self.clock.now().date() - ONE_DAY
        exported = self.books.exported(since, until)
        days = [since + number * ONE_DAY for number in range((until - since).days + 1)]
        for day in days[:MAX_NAMED]:
            if day not in exported:
                yield f"{day} was not closed: its log was not exported."
            elif not exported[day].is_closed:
                yield f"The log of {day} is not complete: a transaction was open when it was exported last."
            else:
                yield f"The books of {day} were not compared, or had a break."
        if len(days) > MAX_NAMED:
            yield f"And {len(days) - MAX_NAMED} later dates."


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
