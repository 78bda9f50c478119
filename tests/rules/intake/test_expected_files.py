"""When expected files are due, and which arrival answers which of them."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardops.rules.intake.expected_files import (
    AbsenceRecord,
    ArrivedFile,
    DueDays,
    DueState,
    answers,
    days_text,
    due_files,
    judge_due_file,
    parse_days,
)
from cardops.rules.intake.files import FileStatus
from tests.factories.expected_files import an_expected_file

MONDAY = date(2026, 11, 23)
WEEK = timedelta(days=6)


def arrived(at: datetime, name: str = "bank.csv", status: str = "applied") -> ArrivedFile:
    return ArrivedFile(1, f"incoming/deposits/default/{name}", at, FileStatus(status))


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("daily", ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]),
        ("mon-fri", ["mon", "tue", "wed", "thu", "fri"]),
        ("sat-mon", ["mon", "sat", "sun"]),
        ("mon, thu", ["mon", "thu"]),
        ("24,last", ["tue"]),
        ("mon,23", ["mon"]),
        ("tue,23", []),
    ],
)
def test_days_are_read_as_they_are_written(text: str, due: list[str]) -> None:
    days = parse_days(text)
    assert days is not None
    expected = an_expected_file(days=days)

    found = [f"{file.due_on:%a}".lower() for file in due_files(expected, MONDAY, MONDAY + WEEK)]

    assert found == due


@pytest.mark.parametrize("text", ["", "mon-", "monday", "0", "32", "1-15", "daily,mon", "fri-1"])
def test_unknown_days_are_refused(text: str) -> None:
    assert parse_days(text) is None


@given(
    st.frozensets(st.integers(0, 6)),
    st.frozensets(st.one_of(st.integers(1, 31), st.just(-1))),
)
def test_written_days_are_read_back(weekdays: frozenset[int], month: frozenset[int]) -> None:
    assert parse_days(days_text(DueDays(weekdays, month))) == DueDays(weekdays, month)


def test_last_day_of_the_month_follows_the_calendar() -> None:
    expected = an_expected_file(days=parse_days("last"))

    found = [file.due_on for file in due_files(expected, date(2028, 1, 1), date(2028, 4, 1))]

    assert found == [date(2028, 1, 31), date(2028, 2, 29), date(2028, 3, 31)]


def test_due_time_follows_the_time_zone_over_a_clock_change() -> None:
    expected = an_expected_file(time_zone="Europe/Vienna")

    found = [file.due_at.hour for file in due_files(expected, date(2026, 3, 28), date(2026, 3, 29))]

    assert found == [8, 7]


def test_local_evening_belongs_to_the_next_business_date() -> None:
    expected = an_expected_file(time_zone="America/New_York", due_at=time(20, 0))

    (due,) = due_files(expected, MONDAY, MONDAY)

    assert due.business_date == MONDAY + timedelta(days=1)


def test_holidays_are_left_out() -> None:
    found = due_files(an_expected_file(), MONDAY, MONDAY + WEEK, {MONDAY, MONDAY + WEEK})

    assert [file.due_on.day for file in found] == [24, 25, 26, 27, 28]


def test_entry_is_due_only_while_it_is_in_force() -> None:
    created = datetime(2026, 11, 24, 10, tzinfo=UTC)
    expected = an_expected_file(created_at=created, removed_at=created + timedelta(days=2))

    found = due_files(expected, MONDAY, MONDAY + WEEK)

    assert [file.due_on.day for file in found] == [25, 26]


@given(
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 14 * 24 * 60),
    st.times(),
)
def test_each_arrival_answers_one_due_file(weekdays: set[int], minutes: int, due_at: time) -> None:
    """The obvious model: the last due time that is no more than half a day ahead."""
    expected = an_expected_file(
        days=DueDays(frozenset(weekdays)), due_at=due_at.replace(second=0, microsecond=0)
    )
    at = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=minutes)
    dues = list(due_files(expected, MONDAY - 2 * WEEK, MONDAY + 6 * WEEK))

    found = [due.due_at for due in dues if answers(due, arrived(at))]

    assert found == [max(due.due_at for due in dues if due.due_at <= at + timedelta(hours=12))]


@pytest.mark.parametrize(
    ("name", "is_answer"),
    [
        ("bank_20261123.csv", True),
        ("bank_20261123-20261125T101112Z-a1b2c3.csv", True),
        ("bank_20261124.csv", False),
        ("shop_20261123.csv", False),
    ],
)
def test_dated_name_answers_its_own_date(*, name: str, is_answer: bool) -> None:
    (due,) = due_files(an_expected_file(name_pattern="bank_%Y%m%d.csv"), MONDAY, MONDAY)

    assert answers(due, arrived(due.due_at + timedelta(days=2), name)) is is_answer


def test_released_rows_answer_no_due_file() -> None:
    (due,) = due_files(an_expected_file(), MONDAY, MONDAY)
    released = arrived(due.due_at, "released/000000000001-0123456789ab.csv")

    assert not answers(due, released)


@pytest.mark.parametrize(
    ("minutes", "status", "now", "state"),
    [
        (None, "", 29, DueState.EXPECTED),
        (None, "", 31, DueState.MISSING),
        (20, "applied", 60, DueState.ARRIVED),
        (45, "claimed", 60, DueState.LATE),
        (20, "refused", 60, DueState.UNUSABLE),
        (20, "dead", 60, DueState.UNUSABLE),
        (20, "recalled", 60, DueState.ARRIVED),
    ],
)
def test_due_file_has_the_state_of_what_came(
    minutes: int | None, status: str, now: int, state: DueState
) -> None:
    (due,) = due_files(an_expected_file(grace_minutes=30), MONDAY, MONDAY)
    came = (
        [] if minutes is None else [arrived(due.due_at + timedelta(minutes=minutes), status=status)]
    )

    waived = AbsenceRecord(is_waived=True)
    judged = judge_due_file(due, came, due.due_at + timedelta(minutes=now))

    assert judged.state is state
    assert judged.is_absent is (state not in {DueState.ARRIVED, DueState.LATE})
    assert judge_due_file(due, [], due.due_at, waived).state is DueState.WAIVED
