"""Delivered chargeback files in a real database, and the acknowledgements of them in a server's folder."""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.chargebacks.acknowledgements import PostgresAcknowledgements
from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.adapters.postgresql.intake.ledger import PostgresIntakeLedger
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.ports import Destinations
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState
from cardops.services.chargebacks.batch_files import ChargebackFileBuilder
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes
from cardops.services.deliveries.acknowledged_lines import FileLines
from cardops.services.deliveries.acknowledgements import AcknowledgementService, PollResult
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import IntakeWorld, csv_file
from tests.fakes.destinations import FakeDestinations
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore

OUTBOX = "/outbox"
# What a delivered file left behind.
_DELIVERED = ("deliveries", "delivery_sequences", "chargeback_batches", "intake_files")
TABLES = (
    *_DELIVERED,
    *("waiting_disputes", "acknowledgement_files", "acknowledgement_rejections"),
    *("acknowledgement_polls", "missing_acknowledgements"),
)


@dataclass
class DeliveredFiles:
    """Delivered files of one database, made once and put back for each test that wants the same."""

    url: str
    made: dict[tuple[str, ...], tuple[ChargebackFileRecord, Any]] = field(
        default_factory=dict, repr=False
    )

    def forget(self) -> None:
        """The database has none of them."""
        with connect(self.url) as session:
            session.execute(f"truncate {', '.join(TABLES)}")

    def keep(self, cases: tuple[str, ...], record: ChargebackFileRecord, held: Any) -> None:
        with connect(self.url) as session:
            for table in _DELIVERED:
                session.execute(f"create table {self._copy(table)} as table {table}")
        self.made[cases] = record, copy.deepcopy(held)

    def put_back(self, cases: tuple[str, ...]) -> tuple[ChargebackFileRecord, Any]:
        with connect(self.url) as session:
            for table in _DELIVERED:
                session.execute(
                    f"insert into {table} overriding system value"
                    f" table {self._copy(table, list(self.made).index(cases))}"
                )
        record, held = self.made[cases]
        return record, copy.deepcopy(held)

    def _copy(self, table: str, number: int | None = None) -> str:
        return f"kept_{len(self.made) if number is None else number}_{table}"


@dataclass
class AcknowledgementDesk:
    """Ingests disputes, makes and delivers their files, and polls for acknowledgements."""

    url: str
    destinations: Destinations
    # Where the lake is on disk, for processes that share it; None: in memory.
    lake: Path | None = None
    # The first delivery is put back from here where it was made before.
    delivered: DeliveredFiles | None = None
    world: IntakeWorld = field(init=False)
    store: FakeObjectStore = field(default_factory=FakeObjectStore)
    raw: FakeObjectStore = field(default_factory=FakeObjectStore)
    notifier: FakeNotifier = field(default_factory=FakeNotifier)

    def __post_init__(self) -> None:
        self.world = IntakeWorld(intake_ledger=cast("Any", PostgresIntakeLedger(self.url)))
        if self.lake is not None:
            self.world.lake = ParquetLake(DirectoryStore(self.lake), self.lake)
        self.ledger = PostgresDeliveryLedger(self.url)
        self.acknowledgements = PostgresAcknowledgements(self.url)

    @property
    def builder(self) -> ChargebackFileBuilder:
        world = self.world
        return ChargebackFileBuilder(
            world.lake, self.store, world.intake_ledger, self.ledger, self.destinations
        )

    @property
    def service(self) -> AcknowledgementService:
        world = self.world
        return AcknowledgementService(
            self.acknowledgements,
            self.ledger,
            self.destinations,
            FileLines(self.builder, world.intake_ledger, world.lake),
            self.raw,
            self.notifier,
        )

    def deliver(
        self, *cases: str, state: DeliveryState = DeliveryState.DELIVERED
    ) -> ChargebackFileRecord:
        """A file for Visa with a dispute for each case, as if delivered."""
        kept, self.delivered = self.delivered, None
        if kept is None:
            return self._deliver(cases, state)
        if cases not in kept.made:
            record = self._deliver(cases, DeliveryState.DELIVERED)
            kept.keep(cases, record, self._held())
        else:
            record, held = kept.put_back(cases)
            self.world.lake, self.world.known_rows.files, self.world.raw_store, self.store = held
        if state is not DeliveryState.DELIVERED:
            record = replace(record, state=state)
            self.ledger.record(record)
        return record

    def _held(self) -> tuple[Any, ...]:
        world = self.world
        return world.lake, world.known_rows.files, world.raw_store, self.store

    def _deliver(self, cases: Sequence[str], state: DeliveryState) -> ChargebackFileRecord:
        rows = (DISPUTED.replace("c1", case) for case in cases)
        self.world.submit("chargebacks", csv_file(CHARGEBACKS, *rows))
        (batch,) = self.world.intake_ledger.open_batches()
        return self.make(batch.batch_id, state)

    def make(
        self, batch_id: str, state: DeliveryState = DeliveryState.DELIVERED
    ) -> ChargebackFileRecord:
        """The batch's file for Visa."""
        found = self.builder.build(batch_id, NETWORKS).values()
        (record,) = [record for record in found if record is not None]
        record = replace(record, state=state)
        self.ledger.record(record)
        return record

    def poll(self) -> PollResult:
        (result,) = self.service.poll_all()
        return result

    def waiting(self) -> list[tuple[str, str, str]]:
        rows = WaitingDisputes(self.world.intake_ledger, self.world.lake).rows()
        return [(row.case_number, row.reason, row.batch_id) for row in rows]


def age(desk: AcknowledgementDesk, hours: int) -> None:
    """Everything happened so many hours earlier than it did."""
    with connect(desk.url) as session:
        for statement in (
            "update deliveries set made_at = made_at - %s, delivered_at = delivered_at - %s",
            (
                "update acknowledgement_polls set first_polled_at = first_polled_at - %s,"
                " polled_at = polled_at - %s"
            ),
        ):
            session.execute(statement, [timedelta(hours=hours)] * 2)


def outbox_of(destinations: FakeDestinations) -> dict[str, bytes]:
    """The files of Visa's server, by path."""
    destinations.parts.setdefault("visa", {"outbound_folder": OUTBOX})
    return destinations.servers.setdefault("visa", {})


def an_acknowledgement(
    record: ChargebackFileRecord, rejected: Sequence[str] = (), **changes: object
) -> bytes:
    """An acknowledgement of the file that rejects these cases."""
    said: dict[str, object] = {
        "version": 1,
        "sequence": record.sequence,
        "sha256": record.content_sha256,
        "received_at": "2026-11-20T12:00:00Z",
        "rows": {"accepted": record.row_count - len(rejected), "rejected": len(rejected)},
        "rejected": [
            {
                "case_number": case,
                "stage": "chargeback",
                "action_sequence": 1,
                "code": "unknown_arn",
                "reason": "No sale with this ARN.",
            }
            for case in rejected
        ],
    }
    return json.dumps(said | changes).encode()
