"""ExpectedFiles on the fake and on PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cardops.adapters.postgresql.intake.expected_files import PostgresExpectedFiles
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.ports import ExpectedFiles
from cardops.rules.intake.expected_files import (
    ONE_DAY,
    AbsenceRecord,
    DueDays,
    DueFile,
    due_files,
)
from cardops.rules.intake.files import FileOutcome
from tests.factories.expected_files import an_expected_file
from tests.factories.intake import A_DAY, DEPOSITS, an_arrival
from tests.fakes.expected_files import FakeExpectedFiles


@pytest.fixture(params=["fake", pytest.param("postgresql", marks=pytest.mark.database)])
def calendar(request: pytest.FixtureRequest) -> ExpectedFiles:
    if request.param == "fake":
        return FakeExpectedFiles()
    return PostgresExpectedFiles(request.getfixturevalue("database_url"))


def test_entry_is_kept_as_it_was_added_until_it_is_removed(calendar: ExpectedFiles) -> None:
    expected = an_expected_file(
        days=DueDays(frozenset({0, 4}), frozenset({1, -1})),
        holidays="AT",
        grace_minutes=5,
        may_be_empty=True,
    )

    assert calendar.add(expected)
    assert not calendar.add(an_expected_file(name_pattern="other"))
    (stored,) = calendar.all()
    assert stored.created_at is not None
    assert stored == replace(expected, created_at=stored.created_at)
    assert calendar.remove("default", "bank", "ops")
    assert not calendar.remove("default", "bank", "ops")
    assert calendar.all() == []
    assert calendar.add(an_expected_file())
    assert [entry.removed_at is None for entry in calendar.all(with_removed=True)] == [False, True]


def test_absence_is_recorded_step_by_step(calendar: ExpectedFiles) -> None:
    monday, tuesday = due_files(an_expected_file(), A_DAY, A_DAY + timedelta(days=1))
    for _ in range(2):
        calendar.report(monday)
        calendar.resolve(monday, 7)
        calendar.waive(tuesday, "ops", "a holiday")

    assert marks(calendar, monday) == AbsenceRecord(is_reported=True, is_resolved=True)
    assert marks(calendar, tuesday) == AbsenceRecord(is_waived=True)
    calendar.report(tuesday)
    assert marks(calendar, tuesday) == AbsenceRecord(is_reported=True, is_waived=True)
    assert calendar.records(tuesday.due_at + timedelta(seconds=1), tuesday.due_at) == {}


def test_open_absences_are_those_that_neither_came_nor_were_waived(
    calendar: ExpectedFiles,
) -> None:
    days = list(due_files(an_expected_file(), A_DAY, A_DAY + timedelta(days=3)))
    for due in reversed(days):
        calendar.report(due)
    calendar.resolve(days[1], 7)
    calendar.waive(days[2], "ops", "a holiday")

    assert calendar.open_absences() == [days[0].key, days[3].key]


def test_instant_of_the_last_look_never_goes_back(calendar: ExpectedFiles) -> None:
    assert calendar.reported_until() is None
    first, later = (due.due_at for due in due_files(an_expected_file(), A_DAY, A_DAY + ONE_DAY))
    for instant in (first, later, first):
        calendar.record_reported_until(instant)

    assert calendar.reported_until() == later


def marks(calendar: ExpectedFiles, due: DueFile) -> AbsenceRecord:
    return calendar.records(due.due_at, due.due_at)[due.key]


@pytest.mark.database
def test_arrivals_are_the_files_of_the_sender_on_these_dates(database_url: str) -> None:
    ledger, calendar = PostgresIntakeLedger(database_url), PostgresExpectedFiles(database_url)
    for key, day in (("a", 0), ("b", 1), ("c", 2)):
        ledger.claim(an_arrival(key, content=key), A_DAY + timedelta(days=day))
    ledger.claim(an_arrival("d", content="d", program="acme"), A_DAY)

    found = calendar.arrivals(DEPOSITS, "default", A_DAY, A_DAY + timedelta(days=1))

    assert [file.key for file in found] == ["a", "b"]
    ledger.finish(1, FileOutcome())
    ledger.finish(2, FileOutcome(read=1, accepted=1))
    again = calendar.arrivals(DEPOSITS, "default", A_DAY, A_DAY + timedelta(days=2))
    assert [file.is_empty for file in again] == [True, False, False]
