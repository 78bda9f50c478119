"""Small files that are ingested together, and how their rows are numbered as one."""

from dataclasses import dataclass
from datetime import date

from cardops.rules.intake.files import IntakeFile, Kind


@dataclass(frozen=True, slots=True)
class FileGroup:
    """Files of one kind, program, business date and batch, in claim order, with at least one.

    Their rows are numbered through: a row's number in the group is its number in its file and what
    `rows_before` says of the file, the rows of all files before it.
    """

    files: tuple[IntakeFile, ...]
    rows_before: tuple[int, ...]

    @property
    def first(self) -> IntakeFile:
        """The file that was claimed first; the group's lake file and stage are named after it."""
        return self.files[0]

    @property
    def kind(self) -> Kind:
        """The kind of every file."""
        return self.first.arrival.kind

    @property
    def program(self) -> str:
        """The program of every file."""
        return self.first.arrival.program

    @property
    def business_date(self) -> date:
        """The business date of every file."""
        return self.first.business_date

    @property
    def intake_ids(self) -> list[int]:
        """In claim order."""
        return [intake_file.intake_id for intake_file in self.files]
