"""One chargeback file on its way to a real server, and what its operator then sees."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Self

from typing_extensions import override

from cardops.adapters.file_delivery.destinations import SecretDestinations
from cardops.adapters.file_delivery.timeouts import Timeouts
from cardops.ports import FileDelivery
from cardops.rules.deliveries.records import ChargebackFileRecord
from cardops.services.deliveries.delivery import DeliveryService
from tests.factories.deliveries import a_made_file
from tests.fakes.breakers import FakeBreakers
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_ledger import FakeDeliveryLedger
from tests.fakes.notifier import FakeNotifier
from tests.fakes.object_store import FakeObjectStore
from tests.fakes.secrets import FakeSecretStore
from tests.servers.file_servers import Server


@dataclass
class InterruptedStore(FakeObjectStore):
    """`during_read` is called once, when a first part of an object was read."""

    during_read: Callable[[], None] | None = None

    @override
    def open(self, key: str) -> BinaryIO:
        return InterruptedStream(self, super().open(key))  # type: ignore[return-value] # reads alone


@dataclass
class InterruptedStream:
    """An object that is read."""

    store: InterruptedStore
    inner: BinaryIO

    def read(self, size: int = -1) -> bytes:
        during_read = self.store.during_read
        if during_read is not None and self.inner.tell():
            self.store.during_read = None
            during_read()
        return self.inner.read(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.inner.close()


class SenderDestinations(SecretDestinations):
    """What is read once a session is open is read to be sent."""

    def __init__(self, sender: "Sender", timeouts: Timeouts) -> None:
        super().__init__(sender.secrets, timeouts)
        self._sender = sender

    @override
    def connect(self, destination: str) -> FileDelivery:
        session = super().connect(destination)
        self._sender.store.during_read, self._sender.during_write = self._sender.during_write, None
        return session


class Sender:
    """One file, the delivery service, and the pauses it made.

    `during_write` happens once, in the midst of writing, and `during_pause` after it.
    """

    def __init__(self, *, row_count: int = 3) -> None:
        self.ledger = FakeDeliveryLedger()
        self.store = InterruptedStore()
        self.during_write: Callable[[], None] | None = None
        self.during_pause: Callable[[], object] | None = None
        self.patience = 5.0
        self.notifier = FakeNotifier()
        self.secrets = FakeSecretStore()
        self.breakers = FakeBreakers()
        self.clock = FakeClock()
        self.pauses: list[float] = []
        self.lines: list[str] = []
        self.record = a_made_file(self.ledger, self.store, "b-1", row_count=row_count)

    def deliver(self, secret: Mapping[str, object], *, patience: float = 5) -> ChargebackFileRecord:
        self.secrets.put("destinations/visa", secret)
        self.patience = patience
        service = DeliveryService(
            self.store,
            self.ledger,
            self.destinations(),
            self.notifier,
            self.breakers,
            self.clock,
            self.pause,
            self.lines.append,
        )
        record = service.deliver("b-1", "visa")
        assert record is not None
        assert record == self.ledger.find("b-1", "visa"), (
            "the returned record differs from the stored one"
        )
        return record

    def destinations(self) -> SecretDestinations:
        timeouts = Timeouts(self.patience, self.patience, self.patience, self.patience)
        return SenderDestinations(self, timeouts)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if self.during_pause is not None:
            self.during_pause()


def received(server: Server) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in server.inbox.iterdir()
        if path.suffix != ".part"
    }


def expected_files(record: ChargebackFileRecord) -> dict[str, str]:
    return {
        record.file_name: record.content_sha256,
        f"{record.file_name}.ctl": record.control_sha256,
    }
