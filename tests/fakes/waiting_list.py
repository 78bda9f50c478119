"""WaitingList in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from typing_extensions import override

from cardops.ports import WaitingList
from cardops.rules.intake.waiting import OverdueRows, WaitingRow


@dataclass
class FakeWaitingList(WaitingList):
    """The rows that a test puts in; none of them was reported."""

    waiting: list[WaitingRow] = field(default_factory=list)
    told: list[OverdueRows] = field(default_factory=list)

    @property
    @override
    def deadline(self) -> timedelta:
        return timedelta(days=7)

    @override
    def rows(self, program: str | None = None) -> Sequence[WaitingRow]:
        found = [row for row in self.waiting if program in {None, row.program}]
        return sorted(found, key=lambda row: row.waiting_since)

    @override
    def overdue(self, now: datetime) -> Sequence[OverdueRows]:
        late = [row for row in self.rows() if row.is_overdue(self.deadline, now)]
        files = {
            row.intake_id: [other for other in late if other.intake_id == row.intake_id]
            for row in late
        }
        return [
            OverdueRows(intake_id, rows[0].file, len(rows), rows[0].waiting_since)
            for intake_id, rows in files.items()
        ]

    @override
    def reported(self, overdue: OverdueRows, now: datetime) -> None:
        self.told.append(overdue)
