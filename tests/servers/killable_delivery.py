"""A delivering process that kills itself, as `kill -9` would, before or after any of its deeds."""

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from typing_extensions import override

from cardops.adapters.file_delivery.destinations import SecretDestinations
from cardops.adapters.file_delivery.sftp import Timeouts
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.services.deliveries.delivery import DeliveryService
from tests.fakes.notifier import FakeNotifier
from tests.fakes.secrets import FakeSecretStore


@dataclass
class Fate:
    """Counts deeds; at number `dies_at` the process is gone, without a farewell."""

    dies_at: int | None
    deeds: list[str] = field(default_factory=list)

    def deed(self, name: str) -> None:
        self.deeds.append(name)
        if len(self.deeds) == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Mortal:
    """Stands before a port: every call of one of `deeds` is two moments to die at."""

    inner: Any
    fate: Fate
    deeds: frozenset[str]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in self.deeds:
            return found

        def call(*values: Any) -> Any:
            self.fate.deed(f"before {name}")
            result = found(*(self._slow(value) for value in values))
            self.fate.deed(f"after {name}")
            return result

        return call

    def _slow(self, value: Any) -> Any:
        return DyingStream(value, self.fate) if hasattr(value, "read") else value


@dataclass
class DyingStream:
    """A file that is read in two halves, with a moment to die at between them."""

    inner: BinaryIO
    fate: Fate
    is_begun: bool = False

    def read(self, size: int = -1) -> bytes:
        if self.is_begun:
            return self.inner.read(size)
        self.is_begun = True
        half = self.inner.read(200)
        self.fate.deed("half of write")
        return half


class MortalDestinations(SecretDestinations):
    def __init__(self, secrets: FakeSecretStore, fate: Fate) -> None:
        super().__init__(secrets, Timeouts(10, 10, 10, 10))
        self._fate = fate

    @override
    def connect(self, destination: str) -> Any:  # Any: a proxy
        session = super().connect(destination)
        deeds = frozenset({"stat", "write", "read_sha256", "rename", "close"})
        return Mortal(session, self._fate, deeds)


class MortalLedger(PostgresDeliveryLedger):
    def __init__(self, url: str, fate: Fate) -> None:
        super().__init__(url)
        self._fate = fate

    @override
    def record(self, record: Any) -> None:  # Any: passed on
        self._fate.deed(f"before record {record.state}")
        super().record(record)
        self._fate.deed(f"after record {record.state}")


def deliver_and_die(
    url: str, processed: Path, secret: dict[str, object], batch_id: str, dies_at: int | None
) -> list[str]:
    """Deliver in this process; the deeds, if it lives to tell them."""
    fate = Fate(dies_at)
    delivery_service = DeliveryService(
        processed_store=DirectoryStore(processed),
        ledger=MortalLedger(url, fate),
        destinations=MortalDestinations(FakeSecretStore({"destinations/visa": secret}), fate),
        notifier=FakeNotifier(),
        sleep=lambda _: None,
    )
    delivery_service.deliver(batch_id, "visa")
    return fate.deeds
