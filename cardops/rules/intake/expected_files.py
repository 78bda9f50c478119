"""Files that a sender should deliver at known times: when each is due, and which arrival answers it.

Belongs here: dates, names and windows over values. Holidays are handed in as dates.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from cardops.rules.intake.arrivals import released_from
from cardops.rules.intake.files import FileStatus, Kind

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LAST_DAY: Final = -1
# A file may come this long before its due time, and then belongs to it.
EARLY: Final = timedelta(hours=12)
# One with its date in its name may come earlier.
EARLY_DATED: Final = timedelta(days=7)
# A file whose name has no date, and that comes later than this, no longer counts as arrived.
LATEST: Final = timedelta(days=31)
ONE_DAY: Final = timedelta(days=1)
# `cardops submit` adds this mark to the name that a person's file has.
_MARK: Final = re.compile(r"-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}(?=\.|$)")
# They bring no file: what came is unusable until a person acts.
_UNUSABLE: Final = frozenset({FileStatus.REFUSED, FileStatus.DEAD})


class DueState(StrEnum):
    """Where a due file stands.

    `unusable`: it came and was refused, or its runs died. `empty`: it came and has no rows, where the
    entry does not say that it may. `waived`: an operator said that it is not to come.
    """

    EXPECTED = "expected"
    ARRIVED = "arrived"
    LATE = "late"
    MISSING = "missing"
    UNUSABLE = "unusable"
    EMPTY = "empty"
    WAIVED = "waived"


_ABSENT: Final = frozenset({DueState.EXPECTED, DueState.MISSING, DueState.UNUSABLE, DueState.EMPTY})


@dataclass(frozen=True, slots=True)
class DueDays:
    """The days on which a file is due: all, unless weekdays or days of the month are named.

    `weekdays`: 0 is Monday. `month_days`: 1 to 31, or LAST_DAY. With both, a day must be in both.
    """

    weekdays: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()

    def includes(self, day: date) -> bool:
        """Whether the file is due on that day, holidays aside."""
        is_last = (day + ONE_DAY).day == 1
        in_month = day.day in self.month_days or (is_last and LAST_DAY in self.month_days)
        return (not self.weekdays or day.weekday() in self.weekdays) and (
            not self.month_days or in_month
        )


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """One entry of the calendar.

    `name_pattern` is compared with the last part of a key: `*`, `?` and `[]` as in a shell, and
    `%Y`, `%m`, `%d` for the due date in `time_zone`. `holidays` names a calendar of days on which
    the file is not due. It is due from `created_at` on, until it is removed. `may_be_empty`: a file
    without rows counts as arrived.
    """

    program: str
    name: str
    kind: Kind
    due_at: time
    name_pattern: str = "*"
    time_zone: str = "UTC"
    days: DueDays = field(default_factory=DueDays)
    holidays: str | None = None
    grace_minutes: int = 0
    created_by: str = ""
    created_at: datetime | None = None
    removed_at: datetime | None = None
    may_be_empty: bool = False

    @property
    def is_dated(self) -> bool:
        """Whether the name says for which date a file is."""
        return "%" in self.name_pattern


@dataclass(frozen=True, slots=True)
class DueFile:
    """One file that was, or will be, due: `due_on` in its own time zone, `due_at` as an instant."""

    expected: ExpectedFile
    due_on: date
    due_at: datetime
    next_due_at: datetime | None = None

    @property
    def key(self) -> "DueKey":
        """What identifies it."""
        return DueKey(self.expected.program, self.expected.name, self.due_at)

    @property
    def late_at(self) -> datetime:
        """From when on a missing file raises an alarm."""
        return self.due_at + timedelta(minutes=self.expected.grace_minutes)

    @property
    def business_date(self) -> date:
        """The UTC date of its due time: the day that is not complete without it."""
        return self.due_at.date()


class DueKey(NamedTuple):
    """One file of an entry: by its due time."""

    program: str
    name: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class AbsenceRecord:
    """What was recorded about a due file that did not come in time."""

    is_reported: bool = False
    is_resolved: bool = False
    is_waived: bool = False


NOTHING_RECORDED: Final = AbsenceRecord()


@dataclass(frozen=True, slots=True)
class ArrivedFile:
    """A file of the intake ledger, as far as the calendar is concerned."""

    intake_id: int
    key: str
    claimed_at: datetime
    status: FileStatus
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class JudgedDueFile:
    """A due file with its state now, and the file that arrived for it, if any."""

    due: DueFile
    state: DueState
    arrived: ArrivedFile | None = None
    record: AbsenceRecord = NOTHING_RECORDED

    @property
    def is_absent(self) -> bool:
        """Whether the day lacks this file: nothing usable came, late or not."""
        return self.state in _ABSENT

    @property
    def is_held(self) -> bool:
        """Whether it came and waits for its control file or a person, so that nothing of it is applied."""
        return self.arrived is not None and self.arrived.status == FileStatus.HELD


def due_files(
    expected: ExpectedFile, first: date, last: date, holidays: Collection[date] = ()
) -> Iterator[DueFile]:
    """The files due from one local date to another, each with the due time after it.

    A local time that the clock change leaves out is taken as if it had not changed; one that comes
    twice is the first.
    """
    days = _days(expected, first, last + LATEST, holidays)
    instants = [(day, _instant(expected, day)) for day in days]
    for position, (day, due_at) in enumerate(instants):
        if day > last:
            return
        following = instants[position + 1][1] if position + 1 < len(instants) else None
        if _is_in_force(expected, due_at):
            yield DueFile(expected, day, due_at, following)


def judge_due_file(
    due: DueFile,
    arrivals: Iterable[ArrivedFile],
    now: datetime,
    record: AbsenceRecord = NOTHING_RECORDED,
) -> JudgedDueFile:
    """The state of a due file: by the first usable arrival that answers it, else by the clock."""
    answering = sorted(
        (file for file in arrivals if answers(due, file)), key=lambda file: file.claimed_at
    )
    state, arrived = _state(due, answering, now, is_waived=record.is_waived)
    return JudgedDueFile(due, state, arrived, record)


def _state(
    due: DueFile, answering: Sequence[ArrivedFile], now: datetime, *, is_waived: bool
) -> tuple[DueState, ArrivedFile | None]:
    usable = [file for file in answering if file.status not in _UNUSABLE]
    filled = [file for file in usable if due.expected.may_be_empty or not file.is_empty]
    brought = [file for file in filled if file.status != FileStatus.HELD]
    if brought or (filled and not is_waived):
        is_late = filled[0].claimed_at > due.late_at
        return DueState.LATE if is_late else DueState.ARRIVED, (brought or filled)[0]
    if is_waived:
        return DueState.WAIVED, None
    if usable:
        return DueState.EMPTY, usable[-1]
    if answering:
        return DueState.UNUSABLE, answering[-1]
    return DueState.EXPECTED if now <= due.late_at else DueState.MISSING, None


def answers(due: DueFile, file: ArrivedFile) -> bool:
    """Whether the file is the one that was due, by its name and by when it came.

    A name with the date in it is enough, from EARLY_DATED before the due time on, however late.
    Without a date, a file answers the latest due time that is at most EARLY ahead of it.
    """
    if released_from(file.key) is not None:
        return False  # rows of an earlier file, not a file of the sender
    pattern = due.due_on.strftime(due.expected.name_pattern)
    name = _MARK.sub("", file.key.rpartition("/")[2])
    if not fnmatchcase(name, pattern):
        return False
    if due.expected.is_dated:
        return due.due_at - EARLY_DATED <= file.claimed_at
    end = due.due_at + LATEST if due.next_due_at is None else due.next_due_at - EARLY
    return due.due_at - EARLY <= file.claimed_at < end


def parse_days(text: str) -> DueDays | None:
    """`mon-fri`, `mon,thu`, `1,15,last`, `daily`, or weekdays and month days together; else None."""
    weekdays: set[int] = set()
    month_days: set[int] = set()
    for part in text.strip().lower().split(","):
        first, dash, last = part.strip().partition("-")
        if part.strip() == "daily" and text.strip().lower() == "daily":
            return DueDays()
        if first in WEEKDAYS and (not dash or last in WEEKDAYS):
            start = WEEKDAYS.index(first)
            count = (WEEKDAYS.index(last or first) - start) % len(WEEKDAYS)
            weekdays |= {(start + step) % len(WEEKDAYS) for step in range(count + 1)}
        elif part.strip() == "last":
            month_days.add(LAST_DAY)
        elif re.fullmatch(r"[0-9]{1,2}", first) and not dash and 1 <= int(first) <= 31:  # noqa: PLR2004
            month_days.add(int(first))
        else:
            return None
    return DueDays(frozenset(weekdays), frozenset(month_days))


def is_pattern(text: str) -> bool:
    """Whether the text can be a name pattern: it names no other part of a date than it may."""
    return bool(text) and "/" not in text and not re.search(r"%(?![Yymdj])", text)


def days_text(days: DueDays) -> str:
    """The days as `parse_days` reads them."""
    names = [WEEKDAYS[day] for day in sorted(days.weekdays)]
    numbers = [str(day) for day in sorted(days.month_days - {LAST_DAY})]
    last = ["last"] if LAST_DAY in days.month_days else []
    return ",".join([*names, *numbers, *last]) or "daily"


def absent_sentence(judged: JudgedDueFile) -> str:
    """What is missing and since when, for an alarm or a break."""
    due, expected = judged.due, judged.due.expected
    what = (
        f"The {expected.kind} file {expected.name} of program {expected.program} "
        f"(names like {due.due_on.strftime(expected.name_pattern)}) was due on {due.due_on} at "
        f"{expected.due_at:%H:%M} {expected.time_zone}"
    )
    if judged.state is DueState.UNUSABLE and judged.arrived is not None:
        return (
            f"{what}; {judged.arrived.key} came for it and is {judged.arrived.status}, so nothing "
            "of it is applied. Read why with `cardops quarantine list` and ask the sender for a "
            "correct one."
        )
    if judged.state is DueState.EMPTY and judged.arrived is not None:
        return (
            f"{what}; {judged.arrived.key} came for it and has no rows, so the day is incomplete. Ask "
            "the sender whether it should have; if it is right, run `cardops calendar waive "
            f"{expected.name} --program {expected.program} --date {due.due_on} --why TEXT`, and add "
            "the entry with --may-be-empty where that is usual."
        )
    return (
        f"{what} and has not arrived, so the day is incomplete. Ask the sender; if none is to come, "
        f"run `cardops calendar waive {expected.name} --program {expected.program} --date "
        f"{due.due_on} --why TEXT`."
    )


def _days(
    expected: ExpectedFile, first: date, last: date, holidays: Collection[date]
) -> Sequence[date]:
    count = (last - first).days + 1
    days = (first + timedelta(days=step) for step in range(count))
    return [day for day in days if expected.days.includes(day) and day not in holidays]


def _instant(expected: ExpectedFile, day: date) -> datetime:
    local = datetime.combine(day, expected.due_at, ZoneInfo(expected.time_zone))
    return local.astimezone(UTC)


def _is_in_force(expected: ExpectedFile, due_at: datetime) -> bool:
    begins, ends = expected.created_at, expected.removed_at
    return (begins is None or begins <= due_at) and (ends is None or due_at < ends)
