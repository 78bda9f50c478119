"""What the daily report says of files and rows, read from ledgers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.rules.intake.expected_files import AbsenceRecord, DueKey
from cardops.rules.intake.files import FileOutcome, FileStatus, IntakeFile, Kind
from cardops.rules.intake.source_controls import FileHold, HoldReason
from cardops.rules.intake.waiting import WaitingRow
from cardops.services.reports.operations import (
    Operations,
    OperationSources,
    QuarantinedRows,
    WaitingRows,
)
from tests.factories.intake import A_DAY, an_arrival
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.expected_files import FakeExpectedFiles
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.source_controls import FakeSourceControls
from tests.fakes.waiting_list import FakeWaitingList

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
DEPOSITS, TRANSACTIONS = Kind("deposits"), Kind("transactions")
REFUSED = FileOutcome(error="Card 4111111111111111 is in the header; nothing was taken.")


class Ledgers:
    """The fakes behind one reading."""

    def __init__(self) -> None:
        self.intake = FakeIntakeLedger()
        self.controls = FakeSourceControls(self.intake)
        self.expected = FakeExpectedFiles()
        self.waiting = FakeWaitingList()
        self.deliveries = FakeDeliveryLedger()

    def file(
        self,
        name: str,
        outcome: FileOutcome | None = None,
        *,
        kind: Kind = DEPOSITS,
        status: FileStatus | None = None,
        days_before: int = 0,
    ) -> IntakeFile:
        arrival = an_arrival(f"incoming/{kind}/{name}", kind=kind, content=name)
        found, _ = self.intake.claim(arrival, A_DAY - timedelta(days=days_before))
        if outcome:
            self.intake.finish(found.intake_id, outcome)
        if status:
            self.intake.mark(found.intake_id, status)
        return self.intake.find(found.intake_id)

    def read(self) -> Operations:
        sources = OperationSources(
            self.intake, self.controls, self.expected, self.waiting, self.deliveries
        )
        return sources.read(A_DAY, NOW)


@pytest.fixture
def ledgers() -> Ledgers:
    return Ledgers()


def test_quarantine_is_of_the_date_by_kind_and_reason(ledgers: Ledgers) -> None:
    two = FileOutcome(
        read=10, accepted=8, quarantined=2, reasons={"invalid_amount": 2, "invalid_id": 1}
    )
    ledgers.file("a.csv", two)
    ledgers.file("b.csv", replace(two, read=9, accepted=7))
    ledgers.file("c.csv", two, kind=TRANSACTIONS)
    ledgers.file("yesterday.csv", two, days_before=1)

    found = ledgers.read()

    assert (found.read_rows, found.quarantined_rows) == (29, 6)
    assert list(found.quarantined) == [
        QuarantinedRows("deposits", "default", "invalid_amount", 4, 2),
        QuarantinedRows("deposits", "default", "invalid_id", 2, 2),
        QuarantinedRows("transactions", "default", "invalid_amount", 2, 1),
        QuarantinedRows("transactions", "default", "invalid_id", 1, 1),
    ]


def test_stopped_files_are_listed_with_state_and_reason(ledgers: Ledgers) -> None:
    ledgers.file("dead.csv", status=FileStatus.DEAD, days_before=9)
    ledgers.file("refused.csv", REFUSED)
    ledgers.file("refused-before.csv", REFUSED, days_before=1)
    held = ledgers.file("held.csv")
    totals = {"USD": 900, "JPY": 2}
    hold = FileHold(HoldReason.APPROVAL, "Above the cap.", 4, totals)
    ledgers.controls.hold(held, hold, FileOutcome())
    due = DueKey("default", "payday", NOW - timedelta(hours=3))
    ledgers.expected.records_of[due] = AbsenceRecord(is_reported=True)

    found = [(file.state, file.name, file.totals_minor) for file in ledgers.read().stopped]

    assert found == [
        ("dead", "incoming/deposits/dead.csv", {}),
        ("refused", "incoming/deposits/refused.csv", {}),
        ("held", "incoming/deposits/held.csv", totals),
        ("missing", "payday", {}),
    ]


def test_card_numbers_in_reasons_are_masked(ledgers: Ledgers) -> None:
    ledgers.file("refused.csv", REFUSED)

    (file,) = ledgers.read().stopped

    assert "4111111111111111" not in file.why
    assert "nothing was taken" in file.why


def test_waiting_rows_are_counted_with_those_that_wait_too_long(ledgers: Ledgers) -> None:
    for number, days in enumerate((1, 8, 9)):
        since = NOW - timedelta(days=days)
        row = WaitingRow(1, number, Kind("chargebacks"), "default", "f", f"t-{number}", since)
        ledgers.waiting.waiting.append(row)

    oldest = NOW - timedelta(days=9)
    assert ledgers.read().waiting == [WaitingRows("chargebacks", "default", 3, 2, oldest)]


def test_undelivered_files_of_any_date_are_found(ledgers: Ledgers) -> None:
    for number, state in enumerate(DeliveryState):
        record = ChargebackFileRecord(
            batch_id=f"default-2026-02-0{number + 1}-001", network="visa", program="default",
            destination="visa", sequence=number, file_name=f"{number}.csv", row_count=1,
            totals_minor={"USD": 1}, content_sha256="0" * 64, control_sha256="0" * 64,
        )  # fmt: skip
        ledgers.deliveries.record_made(record)
        ledgers.deliveries.record(replace(record, state=state))

    states = {record.state for record in ledgers.read().undelivered}

    assert states == set(DeliveryState) - {DeliveryState.DELIVERED}
