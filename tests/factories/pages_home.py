"""A home with what the pages for a browser are made of."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from starlette.applications import Starlette

from cardops.ports import Acknowledgements
from cardops.rules.intake.files import FileOutcome
from cardops.services.deliveries.board import DeliveryBoard
from cardops.services.intake.quarantine import folder_of
from orchestration.local.pages import Pages, app
from tests.factories.intake import A_DAY, an_arrival
from tests.fakes.acknowledgements import FakeAcknowledgements
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.object_store import FakeObjectStore


@dataclass
class PagesHome:
    """A home with what pages are made of."""

    folder: Path
    ledger: FakeIntakeLedger = field(default_factory=FakeIntakeLedger)
    failed: FakeObjectStore = field(default_factory=FakeObjectStore)
    deliveries: FakeDeliveryLedger = field(default_factory=FakeDeliveryLedger)

    def app(self) -> Starlette:
        board = DeliveryBoard(
            self.deliveries, cast("Acknowledgements", FakeAcknowledgements()), self.ledger
        )
        return app(Pages(self.folder / "reports", self.ledger, self.failed, board, FakeClock()))

    def report(self, day: str, text: str) -> None:
        folder = self.folder / "reports"
        folder.mkdir(exist_ok=True)
        (folder / f"daily_report_{day}.html").write_text(text)

    def quarantine(self, raw: str) -> int:
        """A file of which one row was refused."""
        claimed, _ = self.ledger.claim(an_arrival("incoming/deposits/<b>.csv"), A_DAY)
        self.ledger.finish(
            claimed.intake_id, FileOutcome(read=1, quarantined=1, reasons={"invalid_amount": 1})
        )
        lines = (
            f'source_file,row_number,reasons,raw\n{claimed.arrival.key},2,invalid_amount,"{raw}"\n'
        )
        self.failed.create(f"{folder_of(claimed.arrival)}/rows.csv", lines.encode())
        return claimed.intake_id
