"""ExpectedFiles in memory; arrivals are those of a fake intake ledger, each with an instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from typing_extensions import override

from cardops.ports import Clock, ExpectedFiles
from cardops.rules.intake.expected_files import (
    AbsenceRecord,
    ArrivedFile,
    DueFile,
    DueKey,
    ExpectedFile,
)
from cardops.rules.intake.files import FileStatus, Kind
from tests.fakes.clock import FakeClock


@dataclass
class FakeExpectedFiles(ExpectedFiles):
    """`arrive` makes a file arrive now."""

    clock: Clock = field(default_factory=FakeClock)
    entries: list[ExpectedFile] = field(default_factory=list)
    files: list[tuple[Kind, str, ArrivedFile]] = field(default_factory=list)
    until: datetime | None = None
    records_of: dict[DueKey, AbsenceRecord] = field(default_factory=dict)

    def arrive(
        self,
        name: str,
        *,
        kind: str = "deposits",
        program: str = "default",
        status: FileStatus = FileStatus.APPLIED,
        is_empty: bool = False,
    ) -> int:
        number = len(self.files) + 1
        key = f"incoming/{kind}/{program}/{name}"
        arrived = ArrivedFile(number, key, self.clock.now(), status, is_empty=is_empty)
        self.files.append((Kind(kind), program, arrived))
        return number

    @override
    def add(self, expected: ExpectedFile) -> bool:
        if any((e.program, e.name) == (expected.program, expected.name) for e in self.all()):
            return False
        self.entries.append(replace(expected, created_at=self.clock.now()))
        return True

    @override
    def remove(self, program: str, name: str, removed_by: str) -> bool:
        for position, entry in enumerate(self.entries):
            if (entry.program, entry.name, entry.removed_at) == (program, name, None):
                self.entries[position] = replace(entry, removed_at=self.clock.now())
                return True
        return False

    @override
    def all(self, *, with_removed: bool = False) -> Sequence[ExpectedFile]:
        found = [entry for entry in self.entries if with_removed or entry.removed_at is None]
        return sorted(found, key=lambda entry: (entry.program, entry.name))

    @override
    def arrivals(self, kind: Kind, program: str, first: date, last: date) -> Sequence[ArrivedFile]:
        return [
            file
            for file_kind, file_program, file in self.files
            if (file_kind, file_program) == (kind, program)
            and first <= file.claimed_at.date() <= last
        ]

    @override
    def records(self, first: datetime, last: datetime) -> Mapping[DueKey, AbsenceRecord]:
        return {
            key: record for key, record in self.records_of.items() if first <= key.due_at <= last
        }

    @override
    def report(self, due: DueFile) -> None:
        self._change(due, is_reported=True)

    @override
    def resolve(self, due: DueFile, intake_id: int) -> None:
        self._change(due, is_resolved=True)

    @override
    def waive(self, due: DueFile, waived_by: str, reason: str) -> None:
        self._change(due, is_waived=True)

    @override
    def open_absences(self) -> Sequence[DueKey]:
        return sorted(
            (
                key
                for key, record in self.records_of.items()
                if record == AbsenceRecord(is_reported=True)
            ),
            key=lambda key: key.due_at,
        )

    @override
    def reported_until(self) -> datetime | None:
        return self.until

    @override
    def record_reported_until(self, instant: datetime) -> None:
        self.until = max(instant, self.until or instant)

    def _change(self, due: DueFile, **marks: bool) -> None:
        record = self.records_of.get(due.key, AbsenceRecord())
        self.records_of[due.key] = replace(record, **marks)
