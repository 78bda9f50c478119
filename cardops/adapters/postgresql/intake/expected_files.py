"""ExpectedFiles on PostgreSQL: the calendar, and which missing files were reported."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, LiteralString

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.intake.expected_files import (
    AbsenceRecord,
    ArrivedFile,
    DueDays,
    DueFile,
    DueKey,
    ExpectedFile,
)
from cardops.rules.intake.files import FileStatus, Kind

_ADD: Final = (
    "insert into expected_files (program, name, kind, name_pattern, due_at, time_zone, weekdays,"
    " month_days, holidays, grace_minutes, created_by, may_be_empty)"
    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " on conflict (program, name) where removed_at is null do nothing returning expected_id"
)
_ALL: Final = (
    "select program, name, kind, due_at, name_pattern, time_zone, weekdays, month_days, holidays,"
    " grace_minutes, created_by, created_at, removed_at, may_be_empty from expected_files"
    " where removed_at is null or %s order by program, name, created_at"
)
_ARRIVALS: Final = (
    "select intake_id, key, claimed_at, status,"
    " status = 'applied' and coalesce((outcome ->> 'read')::bigint, 1) = 0 from intake_files"
    " where kind = %s and business_date between %s and %s and program = %s order by intake_id"
)
_RECORDS: Final = (
    "select program, name, due_at, reported_at is not null, resolved_at is not null,"
    " waived_at is not null from missing_files where due_at between %s and %s"
)
_REPORT: Final = (
    "insert into missing_files (program, name, due_at, reported_at)"
    " values (%s, %s, %s, clock_timestamp()) on conflict (program, name, due_at) do update"
    " set reported_at = coalesce(missing_files.reported_at, excluded.reported_at)"
)
_RESOLVE: Final = (
    "update missing_files set arrived_as = %s, resolved_at = clock_timestamp()"
    " where program = %s and name = %s and due_at = %s and resolved_at is null"
)
_OPEN: Final = (
    "select program, name, due_at from missing_files"
    " where reported_at is not null and resolved_at is null and waived_at is null order by due_at"
)
_LOOKED: Final = (
    "insert into expected_files_reported as r (reported_until) values (%s)"
    " on conflict (is_only_row) do update set reported_until = excluded.reported_until"
    " where r.reported_until < excluded.reported_until"
)
_WAIVE: Final = (
    "insert into missing_files as m"
    " (program, name, due_at, waived_by, waived_reason, waived_at)"
    " values (%s, %s, %s, %s, %s, clock_timestamp()) on conflict (program, name, due_at) do update"
    " set waived_by = excluded.waived_by, waived_reason = excluded.waived_reason,"
    " waived_at = excluded.waived_at where m.waived_at is null"
)


class PostgresExpectedFiles:
    """Implements cardops.ports.ExpectedFiles. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def add(self, expected: ExpectedFile) -> bool:
        """Add an entry, due from now on; False where the program has one of that name."""
        values = (
            expected.program, expected.name, expected.kind, expected.name_pattern,
            expected.due_at, expected.time_zone, sorted(expected.days.weekdays),
            sorted(expected.days.month_days), expected.holidays, expected.grace_minutes,
            expected.created_by, expected.may_be_empty,
        )  # fmt: skip
        return bool(self._rows(_ADD, *values))

    def remove(self, program: str, name: str, removed_by: str) -> bool:
        """End the entry now; what was due before stays due. False where there is none."""
        removed = self._rows(
            "update expected_files set removed_at = clock_timestamp(), removed_by = %s"
            " where program = %s and name = %s and removed_at is null returning expected_id",
            removed_by,
            program,
            name,
        )
        return bool(removed)

    def all(self, *, with_removed: bool = False) -> Sequence[ExpectedFile]:
        """Entries in force by program and name; with the removed ones, for past dates."""
        return [_expected(row) for row in self._rows(_ALL, with_removed)]

    def arrivals(self, kind: Kind, program: str, first: date, last: date) -> Sequence[ArrivedFile]:
        """Files of the kind and program that were claimed on these UTC dates."""
        rows = self._rows(_ARRIVALS, kind, first, last, program)
        return [
            ArrivedFile(intake_id, key, claimed_at, FileStatus(status), is_empty=is_empty)
            for intake_id, key, claimed_at, status, is_empty in rows
        ]

    def records(self, first: datetime, last: datetime) -> Mapping[DueKey, AbsenceRecord]:
        """What was recorded about files due between two instants, both included."""
        rows = self._rows(_RECORDS, first, last)
        return {
            DueKey(program, name, due_at): AbsenceRecord(*marks)
            for program, name, due_at, *marks in rows
        }

    def report(self, due: DueFile) -> None:
        """Record that the missing file was reported; again changes nothing."""
        self._execute(_REPORT, *due.key)

    def resolve(self, due: DueFile, intake_id: int) -> None:
        """Record that the reported file arrived."""
        self._execute(_RESOLVE, intake_id, *due.key)

    def waive(self, due: DueFile, waived_by: str, reason: str) -> None:
        """Record that the file is not to come; the first waiver stays."""
        self._execute(_WAIVE, *due.key, waived_by, reason)

    def open_absences(self) -> Sequence[DueKey]:
        """Due files that were reported, and neither arrived since nor were waived; oldest first."""
        return [DueKey(*row) for row in self._rows(_OPEN)]

    def reported_until(self) -> datetime | None:
        """Files due before this instant were looked at; None where nothing ever was."""
        rows = self._rows("select reported_until from expected_files_reported")
        return rows[0][0] if rows else None

    def record_reported_until(self, instant: datetime) -> None:
        """Record that files due before it were looked at; it never goes back."""
        self._execute(_LOOKED, instant)

    def _rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        return run_in_transaction(
            self._url, lambda session: session.execute(query, values).fetchall()
        )

    def _execute(self, query: LiteralString, *values: object) -> None:
        run_in_transaction(self._url, lambda session: session.execute(query, values))


def _expected(row: tuple[Any, ...]) -> ExpectedFile:
    program, name, kind, due_at, pattern, zone, weekdays, month_days, *rest = row
    holidays, grace_minutes, created_by, created_at, removed_at, may_be_empty = rest
    return ExpectedFile(
        program=program,
        name=name,
        kind=Kind(kind),
        due_at=due_at,
        name_pattern=pattern,
        time_zone=zone,
        days=DueDays(frozenset(weekdays), frozenset(month_days)),
        holidays=holidays,
        grace_minutes=grace_minutes,
        created_by=created_by,
        created_at=created_at,
        removed_at=removed_at,
        may_be_empty=may_be_empty,
    )
