"""Which files were due and did not arrive: for reconciliation, for operators, and for alarms.

Belongs here: due files compared with what the intake ledger has. Days and windows are in
cardops.rules.intake.expected_files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import available_timezones

from cardops.ports import Clock, ExpectedFiles, Notifier
from cardops.rules.errors import ExplainedError
from cardops.rules.intake.expected_files import (
    EARLY_DATED,
    LATEST,
    ONE_DAY,
    AbsenceRecord,
    ArrivedFile,
    DueFile,
    DueState,
    ExpectedFile,
    JudgedDueFile,
    absent_sentence,
    due_files,
    is_pattern,
    judge_due_file,
)
from cardops.rules.intake.files import Kind
from cardops.services.intake.holiday_dates import holiday_dates

RUNBOOK: Final = "docs/runbooks/late-file.md"
LATE_FILE: Final = "late-file:"
# A file that was not late yet when its due time was looked at: no grace is longer.
LONGEST_GRACE: Final = timedelta(days=7)


class CalendarError(ExplainedError):
    """The calendar cannot have this entry, or has no such file; one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class ExpectedFileService:
    """The calendar of expected files."""

    expected_files: ExpectedFiles
    clock: Clock

    def add(self, expected: ExpectedFile) -> None:
        """Raises CalendarError, UnknownHolidaysError."""
        if expected.time_zone not in available_timezones():
            raise CalendarError(
                f"There is no time zone {expected.time_zone!r}; name one as Europe/Vienna or UTC."
            )
        if not is_pattern(expected.name_pattern):
            raise CalendarError(
                f"{expected.name_pattern!r} cannot be the pattern of a name: beside *, ? and [] it "
                "may have %Y, %y, %m, %d and %j for the date on which the file is due."
            )
        holiday_dates(expected.holidays, (self.clock.now().year,))
        if not self.expected_files.add(expected):
            raise CalendarError(
                f"Program {expected.program} expects a file {expected.name} already; remove it "
                "first, or choose another name."
            )

    def remove(self, program: str, name: str, removed_by: str) -> None:
        """Raises CalendarError."""
        if not self.expected_files.remove(program, name, removed_by):
            raise CalendarError(
                f"Program {program} expects no file {name}; `cardops calendar list` shows them."
            )

    def due_on(self, business_date: date) -> list[JudgedDueFile]:
        """Files due on that UTC date, in order of their due times, each with its state now."""
        found = self._judged(business_date, business_date)
        return [judged for judged in found if judged.due.business_date == business_date]

    def absent_on(self, business_date: date) -> list[JudgedDueFile]:
        """Files due on that UTC date that bring nothing: the date is incomplete without them."""
        due = self.due_on(business_date)
        return [judged for judged in due if judged.is_absent or judged.is_held]

    def waive(self, program: str, name: str, due_on: date, waived_by: str, reason: str) -> None:
        """Record that the file due on that date (in its time zone) is not to come.

        Raises CalendarError.
        """
        found = [
            judged.due
            for judged in self._judged(due_on, due_on)
            if (judged.due.expected.program, judged.due.expected.name) == (program, name)
            and judged.due.due_on == due_on
        ]
        if not found:
            raise CalendarError(
                f"No file {name} of program {program} was due on {due_on}; `cardops calendar due "
                f"--date {due_on}` shows the files of a date."
            )
        for due in found:
            self.expected_files.waive(due, waived_by, reason)

    def missing(self) -> list[JudgedDueFile]:
        """Every due file that is late and brought nothing, however old, oldest first.

        Those of a time at which nobody looked yet are found by the next `report`.
        """
        now = self.clock.now()
        return [
            judged
            for judged in self._looked_at(now)
            if judged.is_absent and judged.due.late_at < now
        ]

    def report(self, notifier: Notifier) -> list[JudgedDueFile]:
        """Alarm once of each file that is late, and once when it has arrived; those still missing.

        After a standstill every file that was due since is looked at; one that was reported is looked
        at until it arrives or is waived. A crash between alarm and record repeats the alarm.
        """
        now = self.clock.now()
        missing = []
        for judged in self._looked_at(now):
            is_open = judged.record.is_reported and not judged.record.is_resolved
            is_over = judged.state in {DueState.ARRIVED, DueState.LATE}
            if is_over and is_open and judged.arrived is not None:
                _tell_arrived(judged, judged.arrived, notifier)
                self.expected_files.resolve(judged.due, judged.arrived.intake_id)
            elif judged.is_absent and judged.due.late_at < now:
                missing.append(judged)
                if not judged.record.is_reported:
                    _tell_missing(judged, notifier)
                    self.expected_files.report(judged.due)
        # What was waived is not missing any more either.
        still = {_incident(judged.due) for judged in missing}
        notifier.resolve_except(LATE_FILE, still, "The file is not awaited any more.")
        self.expected_files.record_reported_until(now)
        return missing

    def _looked_at(self, now: datetime) -> Iterator[JudgedDueFile]:
        """Files due since the last look, and older ones that were reported and are still open."""
        until = self.expected_files.reported_until()
        begins = [entry.created_at or now for entry in self.expected_files.all(with_removed=True)]
        since = min(begins, default=now) if until is None else until - LONGEST_GRACE
        first = since.date() - ONE_DAY
        older = [key for key in self.expected_files.open_absences() if key.due_at.date() < first]
        for day in sorted({key.due_at.date() for key in older}):
            yield from (judged for judged in self._judged(day, day) if judged.due.key in older)
        yield from self._judged(first, now.date())

    def _judged(self, first: date, last: date) -> Iterator[JudgedDueFile]:
        """Every file due on these dates, in any time zone, as it stands now."""
        entries = self.expected_files.all(with_removed=True)
        if not entries:
            return
        now = self.clock.now()
        records = self.expected_files.records(
            _midnight(first - ONE_DAY), _midnight(last + 2 * ONE_DAY)
        )
        dated = {(entry.kind, entry.program) for entry in entries if entry.is_dated}
        arrivals: dict[tuple[Kind, str], Sequence[ArrivedFile]] = {}
        for due in _due(entries, first, last):
            sender = (due.expected.kind, due.expected.program)
            if sender not in arrivals:
                arrivals[sender] = self.expected_files.arrivals(
                    *sender,
                    first - EARLY_DATED - ONE_DAY,
                    now.date() if sender in dated else min(last + LATEST, now.date()),
                )
            record = records.get(due.key, AbsenceRecord())
            yield judge_due_file(due, arrivals[sender], now, record)


def _due(entries: Sequence[ExpectedFile], first: date, last: date) -> list[DueFile]:
    """Files due on these dates, UTC or local, by due time."""
    found: list[DueFile] = []
    for expected in entries:
        years = range((first - ONE_DAY).year, (last + LATEST).year + 1)
        holidays = holiday_dates(expected.holidays, years)
        nearby = due_files(expected, first - ONE_DAY, last + ONE_DAY, holidays)
        found.extend(
            due
            for due in nearby
            if first <= due.business_date <= last or first <= due.due_on <= last
        )
    return sorted(found, key=lambda due: (due.due_at, due.expected.program, due.expected.name))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _tell_missing(judged: JudgedDueFile, notifier: Notifier) -> None:
    name = judged.due.expected.name
    how = "arrived empty" if judged.state is DueState.EMPTY else "is late"
    notifier.notify(
        f"File {name} {how}",
        absent_sentence(judged),
        runbook=RUNBOOK,
        incident=_incident(judged.due),
    )


def _tell_arrived(judged: JudgedDueFile, arrived: ArrivedFile, notifier: Notifier) -> None:
    due = judged.due
    notifier.resolve(
        _incident(due),
        f"The {due.expected.kind} file {due.expected.name} of program {due.expected.program}, due "
        f"on {due.due_on} and reported as late, arrived at {arrived.claimed_at:%Y-%m-%d %H:%M} UTC "
        f"as {arrived.key} (intake file {arrived.intake_id}). Nothing is to be done.",
    )


def _incident(due: DueFile) -> str:
    """One incident a due file."""
    return f"{LATE_FILE}{due.expected.program}/{due.expected.name}/{due.due_at:%Y-%m-%dT%H:%MZ}"
