"""Batches and card companies at a glance: how far each file has come, and which batches are shown."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, cast

import pytest

from cardops.ports import Acknowledgements
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.acknowledgements import (
    AcknowledgedRows,
    AcknowledgementOutcome,
    ReceivedFile,
    StoredAcknowledgement,
    Verdict,
)
from cardops.rules.deliveries.progress import NEEDS_PERSON, FileProgress, Progress
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.rules.intake.files import FileOutcome, Kind
from cardops.services.deliveries.board import BoardRow, DeliveryBoard
from tests.factories.deliveries import a_made_file
from tests.factories.intake import an_arrival
from tests.fakes.acknowledgements import FakeAcknowledgements
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.object_store import FakeObjectStore

NOW = FakeClock().now()


@dataclass
class Desk:
    """What a board reads."""

    files: FakeDeliveryLedger = field(default_factory=FakeDeliveryLedger)
    answers: FakeAcknowledgements = field(default_factory=FakeAcknowledgements)
    intake: FakeIntakeLedger = field(default_factory=FakeIntakeLedger)

    def file(self, batch_id: str, network: str = "visa", **changes: Any) -> ChargebackFileRecord:
        made = a_made_file(self.files, FakeObjectStore(), batch_id, network=network)
        if "missed_cut_off_on" in changes:
            self.files.miss_cut_off(made, changes["missed_cut_off_on"])
        self.files.record(replace(made, **changes))
        return made

    def rows(self, batches: int = 14) -> Sequence[BoardRow]:
        board = DeliveryBoard(self.files, cast("Acknowledgements", self.answers), self.intake)
        return board.rows(NOW, batches)

    def visa(self) -> FileProgress:
        (row,) = self.rows()
        return row.files["visa"]


def an_answer(accepted: int, rejected: int) -> StoredAcknowledgement:
    return StoredAcknowledgement(
        file=ReceivedFile("visa", "a.ack.json", "aa", "1"),
        outcome=AcknowledgementOutcome.MATCHED,
        read_at=NOW,
        batch_id="b-1",
        network="visa",
        accepted_count=accepted,
        rejected_count=rejected,
    )


def a_missing_answer() -> AcknowledgedRows:
    return AcknowledgedRows(
        program="default",
        batch_id="b-1",
        network="visa",
        destination="visa",
        file_name="a.csv",
        sequence=1,
        verdict=Verdict.MISSING,
        reason_code=None,
        row_count=3,
        delivered_at=NOW,
        read_at=None,
        is_late=True,
        reopened_to=None,
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Progress.MADE),
        ({"state": DeliveryState.SENDING}, Progress.SENDING),
        ({"state": DeliveryState.FAILED, "last_error": "refused"}, Progress.FAILED),
        ({"state": DeliveryState.DELIVERED_UNCONFIRMED}, Progress.UNCONFIRMED),
        ({"state": DeliveryState.DELIVERED}, Progress.DELIVERED),
        ({"missed_cut_off_on": date(2026, 11, 19)}, Progress.LATE),
        (
            {"state": DeliveryState.DELIVERED, "missed_cut_off_on": date(2026, 11, 19)},
            Progress.DELIVERED,
        ),
    ],
)
def test_state_of_a_file_is_one_word(changes: dict[str, Any], expected: Progress) -> None:
    desk = Desk()
    desk.file("b-1", **changes)

    assert desk.visa().progress is expected


@pytest.mark.parametrize(
    ("accepted", "rejected", "expected"),
    [
        (3, 0, Progress.ACKNOWLEDGED),
        (2, 1, Progress.PARTLY_REJECTED),
        (0, 3, Progress.REJECTED),
    ],
)
def test_acknowledgement_says_more_than_the_delivery(
    accepted: int, rejected: int, expected: Progress
) -> None:
    desk = Desk()
    desk.file("b-1", state=DeliveryState.DELIVERED)
    desk.answers.stored = [an_answer(accepted, rejected)]
    # Once it was missing; it came since.
    desk.answers.missing = [a_missing_answer()]

    assert desk.visa() == FileProgress(expected, f"{accepted} accepted, {rejected} rejected")


def test_missing_acknowledgement_needs_a_person() -> None:
    desk = Desk()
    desk.file("b-1", state=DeliveryState.DELIVERED)
    desk.answers.missing = [a_missing_answer()]

    assert desk.visa().progress is Progress.UNANSWERED
    assert desk.visa().progress in NEEDS_PERSON


def test_newest_batches_come_first_and_older_ones_that_are_not_delivered_stay() -> None:
    desk = Desk()
    desk.file("b-1", state=DeliveryState.FAILED)
    desk.file("b-1", "amex", state=DeliveryState.DELIVERED)
    for number in range(2, 6):
        for network in NETWORKS:
            desk.file(f"b-{number}", network, state=DeliveryState.DELIVERED)

    rows = desk.rows(batches=2)

    assert [row.batch_id for row in rows] == ["b-5", "b-4", "b-1"]
    assert [found.progress for found in rows[2].files.values()] == [
        Progress.FAILED,
        Progress.NO_FILE,
        Progress.DELIVERED,
        Progress.NO_FILE,
    ]


@pytest.mark.parametrize(
    ("days_ago", "accepted", "shown"), [(0, 5, 1), (1, 5, 1), (0, 0, 0), (5, 5, 0)]
)
def test_batch_without_any_file_is_shown_on_its_first_days(
    days_ago: int, accepted: int, shown: int
) -> None:
    desk = Desk()
    day = NOW.date() - timedelta(days=days_ago)
    arrival = an_arrival("incoming/chargebacks/a.csv", kind=Kind("chargebacks"))
    batch = desk.intake.claim_batch([arrival], day, mode="by_network")
    assert batch is not None
    (file,) = desk.intake.claimed_on(arrival.kind, day)
    desk.intake.finish(
        file.intake_id, FileOutcome(read=5, accepted=accepted, duplicate=5 - accepted)
    )

    found = {row.batch_id: {file.progress for file in row.files.values()} for row in desk.rows()}

    assert found == ({batch.batch_id: {Progress.NOT_MADE}} if shown else {})
