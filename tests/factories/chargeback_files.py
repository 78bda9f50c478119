"""Chargeback files made of what an `IntakeWorld` ingested: submitted, built, as if delivered."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.records import DeliveryState
from cardops.rules.intake.files import FileOutcome, FileStatus, IntakeFile, Kind
from cardops.services.chargebacks.batch_files import ChargebackFileBuilder
from cardops.services.intake.claiming import Claims
from cardops.services.intake.ingestion import ingest_file, ingest_files
from cardops.services.intake.submission import Submission, Submissions
from tests.factories.intake_environment import IntakeWorld
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.destinations import FakeDestinations
from tests.fakes.object_store import FakeObjectStore


@dataclass
class FinishedRun:
    released: Sequence[str]
    run_id: str | None = "run-1"
    failed_checks: Sequence[str] = ()


@dataclass
class FileDesk:
    """Submits files, makes chargeback files, and reads them back."""

    world: IntakeWorld
    folder: Path
    ledger: FakeDeliveryLedger = field(default_factory=FakeDeliveryLedger)
    store: FakeObjectStore = field(default_factory=FakeObjectStore)
    destinations: FakeDestinations = field(default_factory=FakeDestinations)
    remarks: list[str] = field(default_factory=list)

    @property
    def builder(self) -> ChargebackFileBuilder:
        world = self.world
        return ChargebackFileBuilder(
            world.lake, self.store, world.intake_ledger, self.ledger, self.destinations
        )

    @property
    def submissions(self) -> Submissions:
        world = self.world
        return Submissions(
            claims=Claims(
                world.raw_store,
                world.failed_store,
                world.intake_ledger,
                world.programs,
                world.clock,
            ),
            runs=self,
            source_controls=world.source_controls,
            delivery_ledger=self.ledger,
            processed_store=self.store,
            default_currency="USD",
            report=self.remarks.append,
            lake=world.lake,
        )

    def ingest_file(self, kind: Kind, files: Sequence[IntakeFile]) -> FinishedRun:
        results = ingest_files(files, (), self.world.ports)
        return FinishedRun([key for result in results for key in result.released])

    def deliver(self, batch_id: str) -> None:
        for record in self.builder.build(batch_id, NETWORKS).values():
            if record is not None:
                self.ledger.record(replace(record, state=DeliveryState.DELIVERED))

    def submit(self, content: str, kind: str = "chargebacks") -> dict[str, Any]:
        path = self.folder / "file.csv"
        path.write_text(content)
        return self.submissions.submit(Submission(path, Kind(kind), "default"))

    def claim_together(self, *contents: str) -> list[int]:
        """One batch of these files; their intake ids."""
        world = self.world
        arrivals = []
        for content in contents:
            key = f"incoming/chargebacks/default/{len(world.raw_store.contents):03d}/file.csv"
            world.raw_store.create(key, content.encode())
            arrivals.append(world.arrival(key))
        today = world.clock.now().date()
        batch = world.intake_ledger.claim_batch(arrivals, today, mode=world.mode)
        assert batch is not None
        return [file.intake_id for file in batch.files]

    def ingest(self, intake_id: int) -> FileOutcome:
        return ingest_file(intake_id, self.world.ports).outcome

    def die(self, intake_id: int) -> None:
        """Its runs died so often that nobody tries again."""
        self.world.intake_ledger.mark(intake_id, FileStatus.DEAD)

    def lines(self, network: str = "visa") -> list[dict[str, str]]:
        """The lines of all files for a card company, in the order in which they were made."""
        found = []
        for (_, slot), record in self.ledger.records.items():
            if slot == network:
                text = self.store.contents[
                    f"chargebacks/{record.batch_id}/{record.file_name}"
                ].decode()
                found += list(csv.DictReader(io.StringIO(text, newline="")))
        return found

    def controls(self) -> list[dict[str, Any]]:
        """The control files, in the order in which they were made."""
        found = self.store.contents
        return [json.loads(content) for key, content in found.items() if key.endswith(".ctl")]
