"""The calendar of expected files, and which due files were reported as missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from cardops.rules.intake.expected_files import (
        AbsenceRecord,
        ArrivedFile,
        DueFile,
        DueKey,
        ExpectedFile,
    )
    from cardops.rules.intake.files import Kind


class ExpectedFiles(Protocol):
    """Entries are never changed: one is removed, and another takes its name."""

    def add(self, expected: ExpectedFile) -> bool:
        """Add an entry, due from now on; False where the program has one of that name."""

    def remove(self, program: str, name: str, removed_by: str) -> bool:
        """End the entry now; what was due before stays due. False where there is none."""

    def all(self, *, with_removed: bool = False) -> Sequence[ExpectedFile]:
        """Entries in force by program and name; with the removed ones, for past dates."""

    def arrivals(self, kind: Kind, program: str, first: date, last: date) -> Sequence[ArrivedFile]:
        """Files of the kind and program that were claimed on these UTC dates."""

    def records(self, first: datetime, last: datetime) -> Mapping[DueKey, AbsenceRecord]:
        """What was recorded about files due between two instants, both included."""

    def report(self, due: DueFile) -> None:
        """Record that the missing file was reported; again changes nothing."""

    def resolve(self, due: DueFile, intake_id: int) -> None:
        """Record that the reported file arrived."""

    def waive(self, due: DueFile, waived_by: str, reason: str) -> None:
        """Record that the file is not to come; the first waiver stays."""

    def open_absences(self) -> Sequence[DueKey]:
        """Due files that were reported, and neither arrived since nor were waived; oldest first."""

    def reported_until(self) -> datetime | None:
        """Files due before this instant were looked at; None where nothing ever was."""

    def record_reported_until(self, instant: datetime) -> None:
        """Record that files due before it were looked at; it never goes back."""
