"""Disputes with sales and evidence in a lake in memory, and the services that work on them."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from cardops.adapters.warehouse.lake_disputes import DuckDbDisputes
from cardops.rules.chargebacks.evidence_files import RecordedChange
from cardops.services.disputes.evidence import AddedFile, CaseEvidence, EvidenceService
from cardops.services.disputes.recording import CaseName, DisputeRecording
from tests.factories.intake_environment import IntakeWorld
from tests.factories.lake_tables import DAY, rows_of
from tests.fakes.disputes import FakeDisputeRecords
from tests.fakes.evidence import FakeDisputeEvidence
from tests.fakes.object_store import FakeObjectStore

PDF = b"%PDF-1.7 signed by the cardholder"
# Of every sale, unless a test says otherwise.
SAME = {
    "user_id": "u1",
    "merchant_id": "m1",
    "device_id": "d1",
    "ip_address": "192.0.2.1",
    "email": "a@example.com",
    "card_token": "tok1",
}


@dataclass
class EvidenceWorld:
    """A lake in memory, and evidence beside it; today is 2026-11-20."""

    intake: IntakeWorld = field(default_factory=IntakeWorld)
    store: FakeObjectStore = field(default_factory=FakeObjectStore)
    evidence: FakeDisputeEvidence = field(init=False)
    records: FakeDisputeRecords = field(init=False)
    put_count: int = 100

    def __post_init__(self) -> None:
        self.records = FakeDisputeRecords(self.intake.clock)
        self.evidence = FakeDisputeEvidence(self.intake.intake_ledger, self.intake.clock)

    @property
    def recording(self) -> DisputeRecording:
        return DisputeRecording(DuckDbDisputes(self.intake.lake), self.records)

    @property
    def service(self) -> EvidenceService:
        return EvidenceService(self.recording, self.evidence, self.intake.lake, self.store)

    def sell(self, name: str, sold_on: date, **values: object) -> None:
        """A sale of 25.00 USD."""
        created_at = datetime(sold_on.year, sold_on.month, sold_on.day, 10, tzinfo=UTC)
        row = {"transaction_id": name, "order_id": f"o-{name}", "created_at": created_at}
        self._put("transactions", {**row, **SAME, "amount_minor": 2500, **values})

    def dispute(self, case: str, transaction_id: str = "t1", **values: object) -> None:
        """A step of a dispute of that sale, opened on 2026-11-10."""
        row = {"case_number": case, "transaction_id": transaction_id, "reason_code": "10.4"}
        self._put("chargebacks", {**row, "dispute_date": date(2026, 11, 10), **values})

    def of(self, case: str) -> CaseEvidence:
        return self.service.of_case(CaseName(case))

    def add(
        self, case: str, item: str, content: bytes = PDF, name: str = "scan.pdf"
    ) -> tuple[RecordedChange, bool]:
        return self.service.add(CaseName(case), AddedFile(item, name, content), by="ann")

    def _put(self, table: str, row: dict[str, object]) -> None:
        self.put_count += 1
        row = {"intake_id": self.put_count, **row}
        self.intake.lake.write(table, DAY, str(self.put_count), rows_of(table, row))
