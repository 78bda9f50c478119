"""Files that were due: absent for a business date, reported once, and reported when they arrive."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from cardops.rules.intake.expected_files import DueState, parse_days
from cardops.rules.intake.files import FileStatus
from cardops.services.intake.expected_files import CalendarError, ExpectedFileService
from cardops.services.intake.holiday_dates import UnknownHolidaysError
from cardops.services.reconciliation.due_files import absent_file_breaks
from tests.factories.expected_files import an_expected_file
from tests.fakes.clock import FakeClock
from tests.fakes.expected_files import FakeExpectedFiles
from tests.fakes.notifier import FakeNotifier

MONDAY = date(2026, 11, 23)


@dataclass
class Desk:
    """A calendar with one daily file, from the Sunday before on."""

    clock: FakeClock = field(
        default_factory=lambda: FakeClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
    )
    notifier: FakeNotifier = field(default_factory=FakeNotifier)

    def __post_init__(self) -> None:
        self.calendar = FakeExpectedFiles(self.clock)
        self.service = ExpectedFileService(self.calendar, self.clock)
        self.service.add(an_expected_file(grace_minutes=30))

    def at(self, hour: int, minute: int = 0, *, day: int = 0) -> "Desk":
        self.clock.at = datetime(2026, 11, 23, hour, minute, tzinfo=UTC) + timedelta(days=day)
        return self

    def told(self) -> list[str]:
        self.service.report(self.notifier)
        found = [subject for subject, _, _ in self.notifier.alarms]
        found += [
            f"File {key.split('/')[1]} has arrived"
            for key, why in self.notifier.resolved
            if "arrived at" in why
        ]
        self.notifier.alarms.clear()
        self.notifier.resolved.clear()
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_missing_file_is_reported_once_after_its_grace(desk: Desk) -> None:
    assert desk.at(9, 30).told() == []
    assert desk.at(9, 31).told() == ["File bank is late"]
    assert desk.at(9, 32).told() == []
    assert desk.at(9, 29, day=1).told() == []
    assert desk.at(9, 31, day=1).told() == ["File bank is late"]


def test_late_arrival_ends_the_report_once(desk: Desk) -> None:
    desk.at(10).told()
    desk.at(11).calendar.arrive("bank.csv")

    assert desk.told() == ["File bank has arrived"]
    assert desk.told() == []


def test_file_in_time_raises_no_alarm(desk: Desk) -> None:
    desk.at(8).calendar.arrive("bank.csv")

    assert desk.at(12).told() == []
    assert [judged.state for judged in desk.service.due_on(MONDAY)] == [DueState.ARRIVED]


def test_refused_file_leaves_the_date_incomplete(desk: Desk) -> None:
    desk.at(8).calendar.arrive("bank.csv", status=FileStatus.REFUSED)

    assert desk.at(12).told() == ["File bank is late"]
    assert len(desk.service.absent_on(MONDAY)) == 1
    desk.calendar.arrive("corrected.csv")
    assert desk.told() == ["File bank has arrived"]
    assert desk.service.absent_on(MONDAY) == []


def test_held_file_leaves_the_date_incomplete_and_raises_no_alarm(desk: Desk) -> None:
    desk.at(8).calendar.arrive("bank.csv", status=FileStatus.HELD)

    assert desk.at(12).told() == []
    (judged,) = desk.service.absent_on(MONDAY)
    assert judged.is_held
    breaks = absent_file_breaks(desk.service, MONDAY, MONDAY, is_closing=True)
    assert breaks["subject"].to_list() == ["deposits file bank due on 2026-11-23 is held"]
    desk.calendar.arrive("another.csv")
    assert desk.service.absent_on(MONDAY) == []


def test_held_file_may_be_waived(desk: Desk) -> None:
    desk.at(8).calendar.arrive("bank.csv", status=FileStatus.HELD)

    desk.at(12).service.waive("default", "bank", MONDAY, "ops", "a test file")

    assert desk.service.absent_on(MONDAY) == []


def test_files_of_others_do_not_answer(desk: Desk) -> None:
    desk.at(8).calendar.arrive("a.csv", program="acme")
    desk.calendar.arrive("a.csv", kind="orders")

    assert len(desk.at(12).service.absent_on(MONDAY)) == 1


def test_removed_entry_keeps_what_was_due(desk: Desk) -> None:
    desk.at(12).service.remove("default", "bank", "ops")

    assert len(desk.service.absent_on(MONDAY)) == 1
    assert desk.service.due_on(MONDAY + timedelta(days=1)) == []


def test_waived_file_completes_its_date(desk: Desk) -> None:
    desk.at(12).service.waive("default", "bank", MONDAY, "ops", "bank holiday")

    assert desk.told() == []
    assert desk.service.absent_on(MONDAY) == []
    with pytest.raises(CalendarError, match="was due on 2026-11-21"):
        desk.service.waive("default", "bank", date(2026, 11, 21), "ops", "too early")


def test_standstill_of_any_length_is_reported_whole(desk: Desk) -> None:
    assert desk.at(12, day=60).told() == ["File bank is late"] * 61
    assert desk.told() == []


def test_missing_file_is_listed_until_it_arrives_or_is_waived(desk: Desk) -> None:
    desk.service.remove("default", "bank", "ops")
    desk.service.add(an_expected_file(name="dated", name_pattern="bank_%Y%m%d.csv"))
    desk.at(12, day=1).told()
    desk.service.remove("default", "dated", "ops")

    assert desk.at(12, day=300).told() == []
    tuesday = MONDAY + timedelta(days=1)
    assert [judged.due.due_on for judged in desk.service.missing()] == [MONDAY, tuesday]
    desk.calendar.arrive("bank_20261123.csv")
    assert desk.told() == ["File dated has arrived"]
    assert [judged.due.due_on for judged in desk.service.missing()] == [tuesday]
    desk.service.waive("default", "dated", tuesday, "ops", "it was never sent")
    assert desk.service.missing() == []
    assert desk.service.report(desk.notifier) == []


def test_file_that_is_late_after_a_long_grace_is_reported_once(desk: Desk) -> None:
    desk.service.remove("default", "bank", "ops")
    desk.service.add(an_expected_file(name="slow", grace_minutes=7 * 24 * 60))
    for hour in range(9, 24):
        assert desk.at(hour).told() == []
    desk.service.remove("default", "slow", "ops")

    assert desk.at(9, 0, day=7).told() == []
    assert desk.at(9, 1, day=7).told() == ["File slow is late"]
    assert desk.at(9, 2, day=7).told() == []


def test_file_without_rows_leaves_the_date_incomplete(desk: Desk) -> None:
    desk.at(8).calendar.arrive("bank.csv", is_empty=True)

    assert desk.at(12).told() == ["File bank arrived empty"]
    (judged,) = desk.service.absent_on(MONDAY)
    assert judged.state is DueState.EMPTY
    breaks = absent_file_breaks(desk.service, MONDAY, MONDAY, is_closing=True)
    assert breaks["subject"].to_list() == ["deposits file bank due on 2026-11-23 is empty"]
    desk.calendar.arrive("bank_2.csv")
    assert desk.told() == ["File bank has arrived"]
    assert desk.service.absent_on(MONDAY) == []


def test_file_without_rows_may_be_waived(desk: Desk) -> None:
    desk.at(8).calendar.arrive("bank.csv", is_empty=True)

    desk.at(12).service.waive("default", "bank", MONDAY, "ops", "a quiet day")

    assert (desk.told(), desk.service.absent_on(MONDAY)) == ([], [])


def test_entry_may_say_that_a_file_without_rows_is_enough(desk: Desk) -> None:
    desk.service.remove("default", "bank", "ops")
    desk.service.add(an_expected_file(name="quiet", may_be_empty=True))
    desk.at(8).calendar.arrive("bank.csv", is_empty=True)

    assert desk.at(12).told() == []
    assert [judged.state for judged in desk.service.due_on(MONDAY)] == [DueState.ARRIVED]


def test_bank_holiday_is_no_due_day(desk: Desk) -> None:
    desk.service.add(an_expected_file(name="target", holidays="XECB", days=parse_days("mon-fri")))

    christmas = desk.service.due_on(date(2026, 12, 25))

    assert [judged.due.expected.name for judged in christmas] == ["bank"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, CalendarError),
        ({"name": "x", "time_zone": "Mars/Base"}, CalendarError),
        ({"name": "x", "name_pattern": "bank_%s.csv"}, CalendarError),
        ({"name": "x", "holidays": "ZZ"}, UnknownHolidaysError),
        ({"name": "x", "holidays": "AT-99"}, UnknownHolidaysError),
    ],
)
def test_impossible_entry_is_refused(
    desk: Desk, changes: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        desk.service.add(an_expected_file(**changes))
