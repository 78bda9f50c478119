"""Rows that wait for a reference: listed, overdue after the deadline, reported once."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.postgresql.intake.waiting_list import PostgresWaitingList
from cardops.ports import WaitingList
from cardops.rules.intake.files import IntakeFile, Kind
from cardops.services.intake.overdue_rows import OverdueRowsService
from tests.factories.intake import A_DAY, an_arrival
from tests.fakes.clock import FakeClock
from tests.fakes.notifier import FakeNotifier

pytestmark = pytest.mark.database
WEEK = timedelta(days=7)
CHARGEBACKS = Kind("chargebacks")


def waiting_file(url: str, name: str = "a", program: str = "default") -> IntakeFile:
    """Two of its rows wait."""
    ledger = PostgresIntakeLedger(url)
    arrival = an_arrival(f"incoming/{name}.csv", kind=CHARGEBACKS, program=program)
    file, _ = ledger.claim(arrival, A_DAY)
    ledger.wait_for(file, {1: "t1", 3: "t2"})
    return file


def make_older(session: psycopg.Connection, by: timedelta, row_number: int) -> None:
    session.execute(
        "update waiting_rows set waiting_since = waiting_since - %s where row_number = %s",
        [by, row_number],
    )


def test_waiting_rows_are_listed_with_what_they_wait_for(database_url: str) -> None:
    file = waiting_file(database_url)
    waiting_file(database_url, "b", "other")
    waiting: WaitingList = PostgresWaitingList(database_url, WEEK)
    with connect(database_url) as session:
        make_older(session, timedelta(days=8), 3)

    oldest, newest = waiting.rows("default")

    assert (oldest.row_number, oldest.reference_id, newest.row_number) == (3, "t2", 1)
    assert (oldest.intake_id, oldest.file, oldest.kind) == (
        file.intake_id,
        "incoming/a.csv",
        CHARGEBACKS,
    )
    now = datetime.now(UTC)
    assert [row.is_overdue(WEEK, now) for row in (oldest, newest)] == [True, False]
    assert len(waiting.rows()) == 4


def test_row_that_a_person_released_waits_in_the_file_that_has_it_now(database_url: str) -> None:
    file = waiting_file(database_url)
    ledger = PostgresIntakeLedger(database_url)
    released, _ = ledger.claim(an_arrival("incoming/c.csv", kind=CHARGEBACKS), A_DAY)

    ledger.released_by_hand(file.intake_id, [1])
    ledger.wait_for(released, {1: "t1"})

    waiting = PostgresWaitingList(database_url, WEEK)
    listed = [(row.intake_id, row.row_number) for row in waiting.rows()]
    assert listed == [(file.intake_id, 3), (released.intake_id, 1)]
    late = waiting.overdue(datetime.now(UTC) + 2 * WEEK)
    assert [(rows.intake_id, rows.row_count) for rows in late] == [
        (file.intake_id, 1),
        (released.intake_id, 1),
    ]


def test_released_rows_do_not_wait(database_url: str) -> None:
    file = waiting_file(database_url)
    PostgresIntakeLedger(database_url).released({file.intake_id: [1]}, 99)

    rows = PostgresWaitingList(database_url, WEEK).rows()

    assert [row.row_number for row in rows] == [3]


def test_row_waits_since_it_was_first_recorded(database_url: str) -> None:
    file = waiting_file(database_url)
    waiting = PostgresWaitingList(database_url, WEEK)
    first = waiting.rows()

    PostgresIntakeLedger(database_url).wait_for(file, {1: "t1"})

    assert waiting.rows() == [first[0]]


def test_overdue_rows_raise_one_alarm_for_each_set(database_url: str) -> None:
    waiting_file(database_url)
    notifier, clock = FakeNotifier(), FakeClock(datetime.now(UTC))
    service = OverdueRowsService(PostgresWaitingList(database_url, WEEK), clock)
    assert service.report(notifier) == []

    with connect(database_url) as session:
        make_older(session, timedelta(days=8), 1)
        assert [overdue.row_count for overdue in service.report(notifier)] == [1]
        assert service.report(notifier) == []
        make_older(session, timedelta(days=8), 3)
        assert [overdue.row_count for overdue in service.report(notifier)] == [1]

    assert service.report(notifier) == []
    assert len(notifier.alarms) == 2
    assert all("incoming/a.csv" in message for _, message, _ in notifier.alarms)
