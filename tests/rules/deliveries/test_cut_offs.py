"""For which of its business days a card company counts a file, against a slow obvious model."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from cardops.rules.deliveries.cut_offs import counts_on, cut_off_on
from cardops.rules.deliveries.destinations import Destination, Protocol

HOLIDAYS = {date(2026, 11, 26), date(2026, 12, 25), date(2027, 1, 1)}
NEW_YORK = Destination(
    "visa", Protocol.SFTP, "h", 22, "u", "/", cut_off_at=time(17), time_zone="America/New_York",
    holidays="US",
)  # fmt: skip


def on(at: str) -> date | None:
    return counts_on(datetime.fromisoformat(at), NEW_YORK, HOLIDAYS.__contains__)


def test_file_counts_for_the_day_until_its_cut_off() -> None:
    # 17:00 in New York is 22:00 UTC in winter.
    assert on("2026-11-20T22:00:00+00:00") == date(2026, 11, 20)
    assert on("2026-11-20T22:00:01+00:00") == date(2026, 11, 23), "a Friday evening"
    assert on("2026-11-25T23:00:00+00:00") == date(2026, 11, 27), "the eve of Thanksgiving"
    assert on("2026-07-01T20:59:00+00:00") == date(2026, 7, 1), "in summer 17:00 is 21:00 UTC"
    assert on("2026-07-01T21:01:00+00:00") == date(2026, 7, 2)


def test_destination_without_a_calendar_counts_at_any_time() -> None:
    plain = Destination("visa", Protocol.SFTP, "h", 22, "u", "/")

    assert counts_on(datetime(2026, 11, 21, tzinfo=UTC), plain, lambda _: True) is None


@given(
    st.datetimes(datetime(2026, 10, 1), datetime(2027, 4, 1), timezones=st.just(UTC))  # noqa: DTZ001
)
def test_day_is_the_first_whose_cut_off_has_not_passed(at: datetime) -> None:
    day = at.astimezone(ZoneInfo("America/New_York")).date() - timedelta(days=1)
    while (
        day.isoweekday() > 5
        or day in HOLIDAYS
        or datetime.combine(day, time(17), ZoneInfo("America/New_York")) < at
    ):
        day += timedelta(days=1)

    assert counts_on(at, NEW_YORK, HOLIDAYS.__contains__) == day
    assert cut_off_on(day, NEW_YORK) >= at
