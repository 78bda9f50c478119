"""The report's table of batches and networks: what was made, what is there, what is not."""

from dataclasses import replace
from typing import cast

from cardops.ports import Acknowledgements
from cardops.rules.chargebacks.filing import RowKey, WaitingDispute
from cardops.rules.deliveries.acknowledgements import (
    AcknowledgementOutcome,
    ReceivedFile,
    StoredAcknowledgement,
)
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.services.reports.batch_files import batch_files_frame
from tests.factories.lake_tables import NOON
from tests.fakes.acknowledgements import FakeAcknowledgements
from tests.fakes.delivery_ledger import FakeDeliveryLedger


def a_file(batch_id: str, network: str) -> ChargebackFileRecord:
    return ChargebackFileRecord(
        batch_id, network, "default", network, 7, "CB.csv", 2, {"USD": 1050, "JPY": 20}, "a" * 64, "b" * 64
    )  # fmt: skip


def test_table_has_each_network_and_earlier_files_that_are_undelivered() -> None:
    ledger = FakeDeliveryLedger()
    for batch_id, network in (("old", "amex"), ("old", "visa"), ("new", "visa")):
        ledger.record_made(a_file(batch_id, network))
    delivered = {("old", "amex"), ("new", "visa")}
    for batch_id, network in delivered:
        ledger.record(replace(a_file(batch_id, network), state=DeliveryState.DELIVERED))

    received = ReceivedFile("visa", "CB.csv.ack.json", "c" * 64, "1")
    answers = [
        StoredAcknowledgement(
            received, outcome, NOON, "new", "visa", accepted_count=accepted, rejected_count=1
        )
        for outcome, accepted in (
            (AcknowledgementOutcome.CONFLICTING, 0),
            (AcknowledgementOutcome.MATCHED, 1),
        )
    ]

    waiting = [
        WaitingDispute(
            RowKey(1, number), "default", batch_id, network, "c", "chargeback", reason, NOON
        )
        for number, (batch_id, network, reason) in enumerate(
            [
                ("new", "visa", "refunded_already"),
                ("new", "visa", "duplicate_case"),
                ("new", "visa", "refunded_already"),
                ("held", "discover", "rejected"),
            ]
        )
    ]

    frame = batch_files_frame(
        ["new"], ledger, cast("Acknowledgements", FakeAcknowledgements(answers)), waiting
    )

    columns = ["batch_id", "network", "state", "verified", "totals", "acknowledged", "waiting"]
    rows = frame[columns].astype(object).where(frame[columns].notna(), None).to_dict("records")
    shown = [tuple(row.values()) for row in rows]
    on = f"since {NOON:%Y-%m-%d}"
    assert shown[:3] == [
        ("old", "visa", "made", "no", "20 JPY, 10.50 USD", "no", None),
        ("held", "discover", "no file", None, None, None, f"1 rejected {on}"),
        ("new", "visa", "delivered", "yes", "20 JPY, 10.50 USD", "1 accepted, 1 rejected",
         f"1 duplicate_case {on}, 2 refunded_already {on}"),
    ]  # fmt: skip
    assert [row[:3] for row in shown[3:]] == [
        ("new", network, "no file") for network in ("mastercard", "amex", "discover")
    ]
