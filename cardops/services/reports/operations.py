"""What files and rows need from people, as the ledgers say it while the report is made.

Belongs here: reading it. Unlike the marts, the ledgers know only how things stand now, so a page of a
past date says of when they are.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from cardops.contracts.kinds.registry import KINDS
from cardops.ports import (
    DeliveryLedger,
    ExpectedFiles,
    IntakeLedger,
    SourceControls,
    WaitingList,
)
from cardops.rules.card_numbers import mask_card_numbers
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.rules.intake.files import FileStatus, IntakeFile
from cardops.rules.intake.source_controls import DEPOSITS

_UNDELIVERED: Final = [state for state in DeliveryState if state is not DeliveryState.DELIVERED]


@dataclass(frozen=True, slots=True)
class QuarantinedRows:
    """Rows of the date's files under one reason; a row with several counts under each."""

    kind: str
    program: str
    reason: str
    row_count: int
    file_count: int


@dataclass(frozen=True, slots=True)
class StoppedFile:
    """A file that does not go on by itself: refused, dead, held, or expected and not here."""

    state: str
    kind: str
    program: str
    name: str
    since: str
    why: str
    totals_minor: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class WaitingRows:
    """Quarantined rows that go on by themselves once what they name arrives."""

    kind: str
    program: str
    row_count: int
    overdue_count: int
    oldest_since: datetime


@dataclass(frozen=True, slots=True)
class Operations:
    """What a report says of files. `quarantined_rows` counts each row once."""

    read_rows: int
    quarantined_rows: int
    quarantined: Sequence[QuarantinedRows]
    stopped: Sequence[StoppedFile]
    waiting: Sequence[WaitingRows]
    undelivered: Sequence[ChargebackFileRecord]


@dataclass(frozen=True, slots=True)
class OperationSources:
    """The ledgers that say it."""

    intake_ledger: IntakeLedger
    source_controls: SourceControls
    expected_files: ExpectedFiles
    waiting_list: WaitingList
    delivery_ledger: DeliveryLedger

    def read(self, business_date: date, now: datetime) -> Operations:
        """The date's files with their quarantine; files and rows of any date that wait now."""
        files = [
            file for kind in KINDS for file in self.intake_ledger.claimed_on(kind, business_date)
        ]
        outcomes = [file.outcome for file in files if file.outcome]
        return Operations(
            read_rows=sum(outcome.read for outcome in outcomes),
            quarantined_rows=sum(outcome.quarantined for outcome in outcomes),
            quarantined=_quarantined(files),
            stopped=[*self._unusable(files), *self._held(), *self._absent()],
            waiting=self._waiting(now),
            undelivered=self.delivery_ledger.all([state.value for state in _UNDELIVERED]),
        )

    def _unusable(self, files: Sequence[IntakeFile]) -> list[StoppedFile]:
        refused = [file for file in files if file.status is FileStatus.REFUSED]
        dead = [
            file
            for file in self.intake_ledger.needing_attention()
            if file.status is FileStatus.DEAD
        ]
        return [
            StoppedFile(
                file.status.value,
                file.arrival.kind,
                file.arrival.program,
                file.arrival.key,
                str(file.business_date),
                mask_card_numbers(_why(file)),
                {},
            )
            for file in [*dead, *refused]
        ]

    def _held(self) -> list[StoppedFile]:
        return [
            StoppedFile(
                FileStatus.HELD.value,
                file.arrival.kind,
                file.arrival.program,
                file.arrival.key,
                f"{hold.held_at:%Y-%m-%d %H:%M}" if hold.held_at else str(file.business_date),
                mask_card_numbers(hold.sentence),
                hold.totals_minor,
            )
            for file, hold in self.source_controls.held(DEPOSITS)
        ]

    def _absent(self) -> list[StoppedFile]:
        return [
            StoppedFile(
                "missing",
                "",
                due.program,
                due.name,
                f"{due.due_at:%Y-%m-%d %H:%M}",
                "It was due then and did not come; cardops calendar list shows the calendar.",
                {},
            )
            for due in self.expected_files.open_absences()
        ]

    def _waiting(self, now: datetime) -> list[WaitingRows]:
        found = dict[tuple[str, str], list[tuple[datetime, bool]]]()
        for row in self.waiting_list.rows():
            is_overdue = row.is_overdue(self.waiting_list.deadline, now)
            key = (row.kind, row.program)
            found.setdefault(key, []).append((row.waiting_since, is_overdue))
        return [
            WaitingRows(
                kind,
                program,
                len(rows),
                sum(is_overdue for _, is_overdue in rows),
                min(since for since, _ in rows),
            )
            for (kind, program), rows in sorted(found.items())
        ]


def _quarantined(files: Sequence[IntakeFile]) -> list[QuarantinedRows]:
    rows, having = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for file in files:
        for reason, count in (file.outcome.reasons if file.outcome else {}).items():
            key = (file.arrival.kind, file.arrival.program, reason)
            rows[key] += count
            having[key] += 1
    return [
        QuarantinedRows(*key, count, having[key])
        for key, count in sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    ]


def _why(file: IntakeFile) -> str:
    if file.outcome and file.outcome.error:
        return file.outcome.error
    return "Its runs failed repeatedly; nothing takes it up until a person does."
