"""A delivering process that kills itself, as `kill -9` would, before or after any of its steps."""

import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from typing_extensions import override

# Imported before a process is forked, so that none has to.
from cardops.adapters.file_delivery import async_sftp, ftps, sftp  # noqa: F401
from cardops.adapters.file_delivery.destinations import SecretDestinations
from cardops.adapters.file_delivery.timeouts import Timeouts
from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.breakers import PostgresBreakers
from cardops.adapters.postgresql.deliveries import PostgresDeliveryLedger
from cardops.services.deliveries.concurrent import deliver_all
from cardops.services.deliveries.delivery import DeliveryService
from tests.fakes.clock import FakeClock
from tests.fakes.notifier import FakeNotifier
from tests.fakes.secrets import FakeSecretStore

SURVIVED = 3


@dataclass
class StepCounter:
    """Counts steps; kills the process at step number `dies_at`."""

    dies_at: int | None
    steps: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=Lock)

    def step(self, name: str) -> None:
        with self.lock:
            self.steps.append(name)
            if len(self.steps) == self.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class KillableProxy:
    """Wraps a port: every call named in `steps` can be killed before and after."""

    inner: Any
    counter: StepCounter
    steps: frozenset[str]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in self.steps:
            return found

        def call(*values: Any, **named: Any) -> Any:
            self.counter.step(f"before {name}")
            result = found(*(self._slow(value) for value in values), **named)
            self.counter.step(f"after {name}")
            return result

        return call

    def _slow(self, value: Any) -> Any:
        return KillableStream(value, self.counter) if hasattr(value, "read") else value


@dataclass
class KillableStream:
    """A file that is read in two halves, with a step between them."""

    inner: BinaryIO
    counter: StepCounter
    is_begun: bool = False

    def read(self, size: int = -1) -> bytes:
        if self.is_begun:
            return self.inner.read(size)
        self.is_begun = True
        half = self.inner.read(200)
        self.counter.step("half of write")
        return half


class KillableDestinations(SecretDestinations):
    def __init__(self, secrets: FakeSecretStore, counter: StepCounter) -> None:
        super().__init__(secrets, Timeouts(10, 10, 10, 10))
        self._counter = counter

    @override
    def connect(self, destination: str) -> Any:  # Any: a proxy
        session = super().connect(destination)
        steps = frozenset({"stat", "write", "read_sha256", "rename", "close"})
        return KillableProxy(session, self._counter, steps)


class KillableLedger(PostgresDeliveryLedger):
    def __init__(self, url: str, counter: StepCounter) -> None:
        super().__init__(url)
        self._counter = counter

    @override
    def record(self, record: Any) -> None:  # Any: passed on
        self._counter.step(f"before record {record.state}")
        super().record(record)
        self._counter.step(f"after record {record.state}")


def deliver_and_die(
    url: str, processed: Path, secret: dict[str, object], batch_id: str, dies_at: int | None
) -> list[str]:
    """Deliver one file in this process; the steps, if it survives."""
    counter = StepCounter(dies_at)
    service(url, processed, {"visa": secret}, counter).deliver(batch_id, "visa")
    return counter.steps


def deliver_all_and_die(
    url: str,
    processed: Path,
    secrets: dict[str, dict[str, object]],
    batch_id: str,
    dies_at: int | None,
) -> None:
    """Deliver a batch's files to all destinations at once; exits with 3 where a step was not reached."""
    counter = StepCounter(dies_at)
    files = PostgresDeliveryLedger(url).files_of(batch_id)
    deliver_all(service(url, processed, secrets, counter), files)
    if dies_at is not None:
        sys.exit(SURVIVED)


def service(
    url: str, processed: Path, secrets: dict[str, dict[str, object]], counter: StepCounter
) -> DeliveryService:
    """What delivers, over real ports whose steps are counted."""
    store = FakeSecretStore({f"destinations/{name}": found for name, found in secrets.items()})
    return DeliveryService(
        processed_store=DirectoryStore(processed),
        ledger=KillableLedger(url, counter),
        destinations=KillableDestinations(store, counter),
        notifier=FakeNotifier(),
        breakers=PostgresBreakers(url),
        clock=FakeClock(),
        sleep=lambda _: None,
    )
