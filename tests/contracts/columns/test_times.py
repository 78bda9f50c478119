"""The vectorised reading of ISO 8601 against the standard library's."""

import re
from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardops.contracts.columns.times import day, instant, is_ahead, is_invalid_time, is_naive

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
NAIVE = st.datetimes(datetime(1900, 1, 2), datetime(2999, 12, 30))  # noqa: DTZ001 - bounds
INSTANTS = st.builds(lambda at, zone: at.replace(tzinfo=zone), NAIVE, ZONES | st.none())
TEXTS = st.from_regex(
    re.compile(r"2026-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9](:[0-6][0-9])?(Z|[+-][0-9]{2}:[0-9]{2})?"),
    fullmatch=True,
)  # fmt: skip


def read(text: str) -> datetime | None:
    found: datetime | None = pl.DataFrame({"at": [text]}).select(instant("at")).item()
    return found


def oracle(text: str) -> datetime | None:
    if re.search(r":[6-9][0-9]$", text[16:]):
        return None  # the standard library takes an offset of sixty minutes and more for one
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


@given(INSTANTS)
def test_instant_is_parsed_like_the_standard_library(at: datetime) -> None:
    assert read(at.isoformat()) == oracle(at.isoformat())


@given(TEXTS)
def test_text_that_the_standard_library_rejects_is_null(text: str) -> None:
    assert read(text) == oracle(text)


@pytest.mark.parametrize(
    "text",
    ["2026-11-20", "20261120T100000Z", "2026-11-20T10:00:00 Z", "2026-11-20T10:00:60Z", "2026-11-20T24:00:00Z", "0001-01-01T00:00:00Z", "٢٠٢٦-11-20T10:00:00Z", "1763632800", ""],
)  # fmt: skip
def test_other_notations_of_an_instant_are_null(text: str) -> None:
    frame = pl.DataFrame({"at": [text]})

    assert frame.select(is_invalid_time("at", is_day_allowed=False)).item()


def test_fractions_are_truncated_to_microseconds() -> None:
    at = read("2026-11-20T10:00:00.123456789+05:30")

    assert at == datetime(2026, 11, 20, 4, 30, 0, 123456, tzinfo=UTC)


def test_day_is_the_date_as_its_sender_wrote_it() -> None:
    texts = ["2026-11-20", "2026-11-20T23:30:00-01:00", "2026-11-21T00:30:00+02:00", "2026-11-31", "2026-11-20x"]  # fmt: skip
    frame = pl.DataFrame({"on": texts})

    days = frame.select(day("on")).to_series().to_list()

    assert [str(found) for found in days] == ["2026-11-20", "2026-11-20", "2026-11-21", "None", "None"]  # fmt: skip


def test_only_a_time_without_an_offset_is_naive() -> None:
    texts = ["2026-11-20", "2026-11-20T10:00:00", "2026-11-20T10:00:00Z", "hm", None]
    frame = pl.DataFrame({"at": texts})

    assert frame.select(is_naive("at")).to_series().to_list() == [False, True, False, False, False]


def test_ahead_means_more_than_a_day() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    frame = pl.DataFrame({"at": ["2026-11-21T12:00:00Z", "2026-11-21T12:00:01Z", "x"]})

    ahead = frame.select(is_ahead("at", now, is_day_allowed=False))

    assert ahead.to_series().to_list() == [False, True, False]
