"""A dispute with something in each part of its page."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.evidence import (
    EvidenceFile,
    FilledItem,
    FilledManifest,
    manifest_of,
)
from cardops.rules.chargebacks.filing import DisputeWait, WaitReason
from cardops.rules.chargebacks.queue import (
    DisputeRecord,
    DisputeStep,
    Opening,
    RecordKind,
    RecordRequest,
)
from cardops.rules.deliveries.acknowledgements import (
    AcknowledgementOutcome,
    LineKey,
    ReceivedFile,
    RejectedLine,
    StoredAcknowledgement,
)
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.rules.provisional.records import CreditRecord, NoticeKind, Posted, PostingKind
from cardops.services.disputes.evidence import CaseEvidence
from cardops.services.disputes.history import DisputeFile, DisputeHistory

NOW = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
KEY = DisputeKey("default", "visa", "CB-20261101-000171")
OPENED = DisputeStep(
    opening=Opening(KEY, "chargeback", 1),
    action_sequence=1,
    status="open",
    is_ended=False,
    happened_at=NOW - timedelta(days=16),
    dispute_date=date(2026, 11, 4),
    reply_by_on=date(2026, 12, 4),
    clock="published",
    amount_minor=1_500_000,
    currency="USD",
    settlement_amount_minor=13_800,
    settlement_currency="EUR",
    fee_amount_minor=1_500,
    fee_currency="USD",
    reason_code="13.1",
    transaction_id="txn_7f3a9c",
    merchant_name="Müller & Söhne <Online> Shop",
    batch_id="default-2026-11-04-001",
    source_file="incoming/chargebacks/visa.csv",
    row_number=17,
    intake_id=1,
    flags=(),
)
WON = replace(
    OPENED,
    action_sequence=2,
    status="won",
    is_ended=True,
    happened_at=NOW - timedelta(days=9),
    reply_by_on=None,
    clock=None,
    flags=("refunded_already",),
)
AGAIN = replace(
    OPENED,
    opening=Opening(KEY, "pre_arbitration", 1),
    happened_at=NOW - timedelta(days=4),
    reply_by_on=date(2026, 11, 23),
    clock="feed",
    amount_minor=12_500,
)


def a_record(kind: RecordKind, text: str, *, owner: str | None = None) -> DisputeRecord:
    request = RecordRequest(kind, AGAIN.opening, "bea", text, owner)
    return DisputeRecord(request, 1, NOW - timedelta(days=3))


def a_file(state: DeliveryState = DeliveryState.DELIVERED) -> DisputeFile:
    record = ChargebackFileRecord(
        batch_id="default-2026-11-04-001",
        network="visa",
        program="default",
        destination="visa",
        sequence=41,
        file_name="CB_visa_default_2026-11-04_000041_v2.csv",
        row_count=120,
        totals_minor={"USD": 123_456},
        content_sha256="3f5c" * 16,
        control_sha256="ab12" * 16,
        state=state,
        made_at=NOW - timedelta(days=15),
    )
    answer = StoredAcknowledgement(
        ReceivedFile("visa", "a.ack.json", "cd" * 32, "1"),
        AcknowledgementOutcome.MATCHED,
        NOW - timedelta(days=14),
        accepted_count=119,
        rejected_count=1,
    )
    line = RejectedLine(LineKey(KEY.case_number, "chargeback", 1), "R102", "case number unknown")
    return DisputeFile(record, answer, [line])


def an_evidence() -> CaseEvidence:
    """Of two items: the lake has one, a person added a file for the other, and a third is missing."""
    manifest = manifest_of("visa", "13.1", "chargeback", date(2026, 11, 4))
    filled = [FilledItem(item) for item in manifest.items]
    letter = EvidenceFile(
        manifest.items[0].name, "9a" * 32, "receipt.pdf", "application/pdf", 12_345, "bea", NOW
    )
    filled[0] = replace(filled[0], files=(letter,))
    filled[-1] = replace(filled[-1], value="198.51.100.7")
    return CaseEvidence(AGAIN, FilledManifest(manifest.reason_group, tuple(filled)), [])


def a_history() -> DisputeHistory:
    """Won, disputed again with three days left, held; as of 2026-11-20."""
    waits = [
        DisputeWait(
            "default-2026-11-04-001",
            "chargeback",
            WaitReason.DUPLICATE_CASE,
            NOW - timedelta(days=15, hours=1),
            "default-2026-11-05-001",
            "bea",
            "another purchase",
            NOW - timedelta(days=15),
        ),
        DisputeWait(
            "default-2026-11-16-001", "pre_arbitration", "refunded_already", NOW - timedelta(days=4)
        ),
    ]
    credit = CreditRecord(
        Posted(PostingKind.CREDIT, 15_000, date(2026, 11, 12)),
        None,
        {NoticeKind.CREDIT: date(2026, 11, 13)},
    )
    return DisputeHistory(
        date(2026, 11, 20),
        [OPENED, WON, AGAIN],
        [
            a_record(RecordKind.ASSIGN, "", owner="bea"),
            a_record(RecordKind.NOTE, "receipt asked for"),
        ],
        an_evidence(),
        [a_file()],
        waits,
        credit,
        "USD",
    )
