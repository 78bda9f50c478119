"""WaitingList on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.ports.waiting_rows import MAX_LISTED_ROWS
from cardops.rules.intake.files import Kind
from cardops.rules.intake.waiting import OverdueRows, WaitingRow

# A row that a person released waits in the file that it was released into. Counted, so that each row is
# looked up in the index: `not exists` would read all releases that ever were.
UNRELEASED: Final[LiteralString] = (
    "w.released_to is null and (select count(*) from quarantine_releases as r"
    " where r.intake_id = w.intake_id and r.row_number = w.row_number) = 0"
)


@dataclass(frozen=True, slots=True)
class PostgresWaitingList:
    """Implements cardops.ports.WaitingList."""

    url: str
    deadline: timedelta

    def rows(self, program: str | None = None) -> Sequence[WaitingRow]:
        """The rows, those that wait longest first, at most MAX_LISTED_ROWS."""
        found = self._rows(
            "select w.intake_id, w.row_number, w.kind, w.program,"  # noqa: S608 - a constant
            " (select f.key from intake_files as f where f.intake_id = w.intake_id),"
            " w.reference_id, w.waiting_since from waiting_rows as w"
            " where " + UNRELEASED + " and w.program = coalesce(%s, w.program)"
            " order by w.waiting_since, w.intake_id, w.row_number limit %s",
            program,
            MAX_LISTED_ROWS,
        )
        return [WaitingRow(file, row, Kind(kind), *rest) for file, row, kind, *rest in found]

    def overdue(self, now: datetime) -> Sequence[OverdueRows]:
        """Rows that wait longer than the deadline and were not reported, by file."""
        found = self._rows(
            "select w.intake_id, f.key, count(*), min(w.waiting_since) from waiting_rows as w"  # noqa: S608 - a constant
            " inner join intake_files as f on f.intake_id = w.intake_id"
            " where " + UNRELEASED + " and w.alarmed_at is null and w.waiting_since < %s"
            " group by w.intake_id, f.key order by w.intake_id",
            now - self.deadline,
        )
        return [OverdueRows(*row) for row in found]

    def reported(self, overdue: OverdueRows, now: datetime) -> None:
        """The rows of the file that are overdue now are not reported again."""
        self._rows(
            "update waiting_rows set alarmed_at = %s where intake_id = %s"
            " and released_to is null and alarmed_at is null and waiting_since < %s"
            " returning row_number",
            now,
            overdue.intake_id,
            now - self.deadline,
        )

    def _rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        return run_in_transaction(
            self.url, lambda session: session.execute(query, values).fetchall()
        )
