"""A watermark that does not move for two nights is an alarm, with what holds each date up."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cardops.services.reconciliation.watermark_age import WatermarkAge
from tests.fakes.books import FakeBooks
from tests.fakes.clock import FakeClock
from tests.fakes.notifier import FakeNotifier

FIRST = date(2026, 11, 17)
AGREED = (None, 0, None)
BROKEN = (None, 1, None)


@dataclass(frozen=True)
class Exported:
    is_closed: bool
    row_count: int = 1
    content_sha256: str = ""


def at(day: int, hour: int, minute: int = 0) -> FakeClock:
    return FakeClock(datetime(2026, 11, day, hour, minute, tzinfo=UTC))


def test_each_night_a_date_becomes_final_and_nobody_is_told() -> None:
    books, notifier = FakeBooks(), FakeNotifier()
    clock = at(17, 0)
    while clock.at < datetime(2026, 11, 25, tzinfo=UTC):
        if (clock.at.hour, clock.at.minute) == (1, 0) and clock.at.day > 17:
            books.outcomes[clock.at.date() - timedelta(days=1)] = AGREED
        WatermarkAge(books, clock, FIRST).report(notifier)
        clock.advance(minutes=15)

    assert notifier.alarms == []


def test_one_missed_night_is_left_to_the_alarm_of_the_close() -> None:
    books = FakeBooks(outcomes={date(2026, 11, 17): AGREED})

    assert not WatermarkAge(books, at(19, 23, 59), FIRST).look().is_old
    assert not WatermarkAge(books, at(20, 5, 59), FIRST).look().is_old
    assert WatermarkAge(books, at(20, 6), FIRST).look().is_old


def test_alarm_says_what_holds_each_date_up_and_ends_with_a_newer_date() -> None:
    books, notifier = FakeBooks(), FakeNotifier()
    books.outcomes = {date(2026, 11, 17): AGREED, date(2026, 11, 19): BROKEN}
    books.exports = {
        date(2026, 11, 18): Exported(is_closed=False),
        date(2026, 11, 19): Exported(is_closed=True),
    }

    WatermarkAge(books, at(21, 7), FIRST).report(notifier)

    ((subject, message, runbook),) = notifier.alarms
    assert subject == "No business date is final since 2026-11-17"
    assert "The log of 2026-11-18 is not complete" in message
    assert "The books of 2026-11-19 were not compared, or had a break." in message
    assert "2026-11-20 was not closed" in message
    assert "2026-11-21" not in message, "that date is not over"
    assert runbook == "docs/runbooks/books-not-final.md"

    books.outcomes[date(2026, 11, 19)] = AGREED
    WatermarkAge(books, at(21, 8), FIRST).report(notifier)
    assert notifier.open == {}
    assert notifier.resolved == [("watermark:books", "2026-11-19 is final.")]


def test_home_in_which_nothing_was_ever_final_has_two_nights_from_its_first_date() -> None:
    early, late = (
        WatermarkAge(FakeBooks(), clock, FIRST).look() for clock in (at(19, 5), at(19, 6))
    )

    assert (early.newest, early.is_old, late.is_old) == (None, False, True)


def test_long_standstill_names_the_first_dates_and_counts_the_others() -> None:
    notifier = FakeNotifier()
    books = FakeBooks(outcomes={date(2026, 10, 1): AGREED})

    WatermarkAge(books, at(1, 12), FIRST).report(notifier)

    ((_, message, _),) = notifier.alarms
    assert message.count("was not closed") == 7
    assert "And 23 later dates." in message
