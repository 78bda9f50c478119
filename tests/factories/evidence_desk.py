"""Two disputes whose files were made, and what is sent about them."""

import io
import zipfile
from datetime import date
from pathlib import Path

from cardops.rules.chargebacks.evidence_packages import EvidencePackage
from cardops.rules.intake.files import FileOutcome, Kind
from cardops.services.chargebacks.batch_files import ChargebackFileBuilder
from cardops.services.disputes.evidence_sending import EvidenceSending
from cardops.services.disputes.recording import CaseName
from tests.factories.chargeback_files import FileDesk
from tests.factories.evidence import EvidenceWorld
from tests.factories.intake import an_arrival
from tests.factories.lake_tables import DAY, rows_of

FIRST, SECOND = "default-2026-11-20-001", "default-2026-11-20-002"


class EvidenceDesk:
    """Two disputes of a known sale, whose files were made, and evidence beside them."""

    def __init__(self, folder: Path) -> None:
        self.world = EvidenceWorld()
        self.files = FileDesk(self.world.intake, folder, store=self.world.store)
        self.world.sell("t1", date(2026, 11, 1))
        self.report({"case_number": "c1"}, {"case_number": "c2", "reason_code": "10.4"})
        self.files.deliver(FIRST)

    def report(self, *rows: dict[str, object]) -> None:
        """Accepted rows of a new batch, without the intake, which takes longer."""
        ledger = self.world.intake.intake_ledger
        arrival = an_arrival(f"incoming/{len(ledger.files)}", kind=Kind("chargebacks"))
        batch = ledger.claim_batch([arrival], DAY, mode="by_network")
        assert batch is not None
        intake_id = batch.files[0].intake_id
        ledger.begin(intake_id)
        ledger.finish(intake_id, FileOutcome(read=len(rows), accepted=len(rows)))
        common = {
            "transaction_id": "t1",
            "dispute_amount_minor": 2500,
            "dispute_date": date(2026, 11, 10),
            "reason_code": "13.1",
            "intake_id": intake_id,
            "batch_id": batch.batch_id,
        }
        lines = [
            {**common, "row_number": number, **row} for number, row in enumerate(rows, start=1)
        ]
        lake = self.world.intake.lake
        lake.write("chargebacks", DAY, str(intake_id), rows_of("chargebacks", *lines))

    @property
    def builder(self) -> ChargebackFileBuilder:
        return self.files.builder

    def send(
        self, *cases: str, why: str = "", is_again: bool = False
    ) -> list[tuple[EvidencePackage, bool]]:
        sending = EvidenceSending(self.world.service, self.world.intake.intake_ledger)
        names = [CaseName(case) for case in cases]
        return list(sending.send(names, by="bea", why=why, is_again=is_again))

    def archive(self) -> zipfile.ZipFile:
        (key,) = (key for key in self.world.store.contents if key.endswith(".zip"))
        return zipfile.ZipFile(io.BytesIO(self.world.store.contents[key]))
