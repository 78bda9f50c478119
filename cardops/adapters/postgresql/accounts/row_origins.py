"""Of which file a staged row is, and its number there, as SQL over the stage's alias `s`.

Rows of a group are numbered through. Where each file begins is part of the statement, so that staged
rows of one file and of many have the same columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from cardops.rules.intake.groups import FileGroup


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """Every row is of this file."""

    only: int

    @property
    def intake_ids(self) -> list[int]:
        """The file."""
        return [self.only]

    @property
    def intake_id(self) -> sql.Composable:
        """Its id."""
        return sql.Literal(self.only)

    @property
    def file_row(self) -> sql.Composable:
        """The row's number."""
        return sql.SQL("s.row_number")

    @property
    def own_events(self) -> sql.Composable:
        """Where an event `e` is surely of these rows, by an index."""
        return sql.SQL("e.intake_id = {}").format(self.intake_id)


@dataclass(frozen=True, slots=True)
class GroupOrigin:
    """A row is of the last file of which no more rows stand before than before the row."""

    group: FileGroup

    @property
    def intake_ids(self) -> list[int]:
        """The group's files."""
        return self.group.intake_ids

    @property
    def intake_id(self) -> sql.Composable:
        """The file's id."""
        return self._of_file(self.intake_ids)

    @property
    def file_row(self) -> sql.Composable:
        """The row's number in its file."""
        return sql.SQL("(s.row_number - {})").format(self._of_file(self.group.rows_before))

    @property
    def own_events(self) -> sql.Composable:
        """None: the rows are few, and each is looked up by its deposit."""
        return sql.SQL("false")

    def _of_file(self, values: Sequence[int]) -> sql.Composable:
        # width_bucket counts the thresholds that are not above the number, also equal ones.
        firsts = [before + 1 for before in self.group.rows_before]
        return sql.SQL(
            "({values}::bigint[])[width_bucket(s.row_number, {firsts}::bigint[])]"
        ).format(values=sql.Literal(list(values)), firsts=sql.Literal(firsts))
