"""A process that files batches and makes their files, and kills itself, as `kill -9` would, at any step."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.services.chargebacks.batch_files import ChargebackFileBuilder
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes
from tests.factories.acknowledged_files import AcknowledgementDesk
from tests.fakes.destinations import FakeDestinations
from tests.servers.killable_delivery import KillableProxy, StepCounter


def file_and_die(url: str, folder: Path, dies_at: int | None) -> None:
    """Make what can be made, release what is held, and make that, in this process."""
    FilingDesk(url, folder, StepCounter(dies_at)).run()


@dataclass
class FilingDesk:
    """Ingests disputes and makes their files; lake and files are on disk, for every process."""

    url: str
    folder: Path
    counter: StepCounter = field(default_factory=lambda: StepCounter(None))

    def __post_init__(self) -> None:
        for name in ("lake", "processed"):
            (self.folder / name).mkdir(exist_ok=True)
        desk = AcknowledgementDesk(self.url, FakeDestinations(), self.folder / "lake")
        self.world, self.delivery_ledger = desk.world, desk.ledger
        self.intake_ledger = self.world.intake_ledger
        self.store = DirectoryStore(self.folder / "processed")

    @property
    def waiting(self) -> WaitingDisputes:
        return WaitingDisputes(self.intake_ledger, self.world.lake)

    @property
    def builder(self) -> ChargebackFileBuilder:
        intake = frozenset({"file_batch", "slot_made"})
        delivery = frozenset({"allot", "record_made"})
        return ChargebackFileBuilder(
            self._killable(self.world.lake, frozenset({"write"})),
            self._killable(self.store, frozenset({"replace"})),
            self._killable(self.intake_ledger, intake),
            self._killable(self.delivery_ledger, delivery),
            FakeDestinations(),
        )

    def run(self) -> None:
        self.make()
        held = [row.key for row in self.intake_ledger.held_disputes("default")]
        ledger = self._killable(self.intake_ledger, frozenset({"release_disputes"}))
        if held:
            ledger.release_disputes("default", held, by="ops", why="seen")
        self.make()

    def make(self) -> None:
        for batch in self.waiting.batches_to_make():
            self.builder.build(batch.batch_id, NETWORKS)

    def lines(self) -> list[tuple[str, str]]:
        """Batch and case of each line of every file that is recorded."""
        found = []
        for record in self.delivery_ledger.all():
            path = self.folder / "processed" / "chargebacks" / record.batch_id / record.file_name
            if path.exists():
                with path.open(newline="", encoding="utf-8") as text:
                    found += [(record.batch_id, row["case_number"]) for row in csv.DictReader(text)]
        return found

    def contents(self) -> dict[Path, bytes]:
        """The bytes of every file that is made."""
        return {path: path.read_bytes() for path in self.folder.glob("processed/**/*.csv")}

    def _killable(self, port: object, steps: frozenset[str]) -> Any:
        return KillableProxy(port, self.counter, steps)
