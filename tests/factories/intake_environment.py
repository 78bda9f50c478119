"""Ports in memory and files put through them: the intake without Dagster or a database."""

import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from cardops.contracts.kinds.registry import KINDS, Kinds
from cardops.ports import Lake
from cardops.rules.intake.files import Arrival, FileOutcome, Kind
from cardops.services.intake.applying import CreditDeposits
from cardops.services.intake.ingestion import ingest_file
from cardops.services.intake.ports import IngestResult, IntakePorts
from tests.fakes.clock import FakeClock
from tests.fakes.deposit_ledger import FakeDepositLedger
from tests.fakes.intake_ledger import FakeIntakeLedger
from tests.fakes.known_rows import FakeKnownRows
from tests.fakes.lake import FakeLake
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.programs import FakePrograms
from tests.fakes.source_controls import FakeSourceControls


@dataclass
class IntakeWorld:
    """`submit` does what happens to a dropped file: it is put into the store, claimed, ingested."""

    raw_store: FakeObjectStore = field(default_factory=FakeObjectStore)
    failed_store: FakeObjectStore = field(default_factory=FakeObjectStore)
    lake: Lake = field(default_factory=FakeLake)
    intake_ledger: FakeIntakeLedger = field(default_factory=FakeIntakeLedger)
    known_rows: FakeKnownRows = field(default_factory=FakeKnownRows)
    deposit_ledger: FakeDepositLedger = field(default_factory=FakeDepositLedger)
    programs: FakePrograms = field(default_factory=FakePrograms)
    clock: FakeClock = field(default_factory=FakeClock)
    source_controls: FakeSourceControls = field(init=False)
    mode: str = "by_network"
    kinds: Kinds = field(default_factory=lambda: KINDS)

    def __post_init__(self) -> None:
        self.source_controls = FakeSourceControls(
            self.intake_ledger, self.clock, deposits=self.deposit_ledger
        )

    @property
    def ports(self) -> IntakePorts:
        return IntakePorts(
            raw_store=self.raw_store,
            failed_store=self.failed_store,
            lake=self.lake,
            intake_ledger=self.intake_ledger,
            known_rows=self.known_rows,
            programs=self.programs,
            source_controls=self.source_controls,
            clock=self.clock,
            appliers={"deposit_ledger": CreditDeposits(self.deposit_ledger)},
        )

    def submit(
        self, kind: str, content: str | bytes, *, name: str = "file.csv", program: str = "default"
    ) -> FileOutcome:
        """What became of the file."""
        return self.ingest(kind, content, name=name, program=program).outcome

    def ingest(
        self, kind: str, content: str | bytes, *, name: str = "file.csv", program: str = "default"
    ) -> IngestResult:
        """The same, with the keys of released rows."""
        body = content.encode() if isinstance(content, str) else content
        number = len(self.raw_store.contents)
        key = f"incoming/{kind}/{program}/{number:03d}/{name}"
        self.raw_store.create(key, body)
        return ingest_file(self.claim(key), self.ports, self.kinds)

    def claim(self, key: str) -> int:
        """Claim an object by its key; chargebacks as a batch of their own."""
        arrival = self.arrival(key)
        kind = arrival.kind
        today = self.clock.now().date()
        if self.kinds[kind].has_batches:
            batch = self.intake_ledger.claim_batch([arrival], today, mode=self.mode)
            assert batch is not None
            return batch.files[0].intake_id
        return self.intake_ledger.claim(arrival, today)[0].intake_id

    def arrival(self, key: str) -> Arrival:
        """The object as the intake ledger knows files."""
        _, kind, program, *_ = key.split("/")
        content = self.raw_store.contents[key]
        digest = hashlib.sha256(content).hexdigest()
        return Arrival(Kind(kind), program, self.raw_store.url, key, digest, digest, len(content))

    def rows(self, table: str) -> pl.DataFrame:
        """What the lake holds."""
        found = self.lake.scan(table)
        assert found is not None
        return found.sort("intake_id", "row_number").collect()

    def first_row(self, table: str) -> dict[str, Any]:
        """The first of them."""
        return self.rows(table).row(0, named=True)

    def quarantined(self) -> list[dict[str, Any]]:
        """Quarantined rows of every file."""
        return [
            row
            for key in sorted(self.failed_store.contents)
            if key.endswith("rows.parquet")
            for row in pl.read_parquet(io.BytesIO(self.failed_store.contents[key])).to_dicts()
        ]


def json_array(*rows: dict[str, Any]) -> str:
    """A file of these objects; amounts are given as text and written as they are."""
    return json.dumps(rows)


def csv_file(header: str, *lines: str) -> str:
    """A CSV file with LF line ends."""
    return "\n".join([header, *lines, ""])
