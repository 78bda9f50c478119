"""ExpectedFiles on the fake and on PostgreSQL."""

from datetime import timedelta

import pytest

from cardops.adapters.postgresql.intake.expected_files import PostgresExpectedFiles
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.ports import ExpectedFiles
from cardops.rules.intake.expected_files import (
    AbsenceRecord,
    DueDays,
    DueFile,
    due_files,
)
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
        days=DueDays(frozenset({0, 4}), frozenset({1, -1})), holidays="AT", grace_minutes=5
    )

    assert calendar.add(expected)
    assert not calendar.add(an_expected_file(name_pattern="other"))
    (stored,) = calendar.all()
    assert stored.created_at is not None
    assert stored == an_expected_file(
        days=expected.days, holidays="AT", grace_minutes=5, created_at=stored.created_at
    )
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
