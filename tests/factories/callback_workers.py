"""Callback sending over a fake outbox and the real client."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from typing_extensions import override

from cardops.adapters.callback_http.client import CallbackClient
from cardops.rules.callbacks.callbacks import CallbackState
from cardops.rules.callbacks.secrets import secret_name, with_new_secret
from cardops.services.callbacks.callback_ports import CallbackPorts
from cardops.services.callbacks.host_queues import Pace
from cardops.services.callbacks.sending import CallbackSending
from cardops.services.callbacks.worker import CallbackWorker
from tests.factories.authorizations import NOON, a_callback
from tests.fakes.clock import FakeClock
from tests.fakes.notifier import FakeNotifier
from tests.fakes.outbox import FakeCallbackOutbox
from tests.fakes.secrets import FakeSecretStore


class Secrets(FakeSecretStore):
    """One secret for `default`; those of `broken` cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_count = 0
        self.secret, value = with_new_secret(None, b"s" * 32, NOON)
        self.put(secret_name("default"), value)
        self.put(secret_name("garbled"), {"secrets": [{"secret": "whsec_!"}]})

    @override
    def get(self, name: str) -> Mapping[str, object] | None:
        self.read_count += 1
        if name == secret_name("broken"):
            raise RuntimeError("vault sealed")
        return super().get(name)


@dataclass
class CallbackWorld:
    outbox: FakeCallbackOutbox = field(default_factory=FakeCallbackOutbox)
    secrets: Secrets = field(default_factory=Secrets)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOON))
    notifier: FakeNotifier = field(default_factory=FakeNotifier)

    def add_pending(self, url: str, count: int = 1, **changes: Any) -> list[str]:
        """Returns their ids."""
        ids = []
        for _ in range(count):
            number = len(self.outbox.callbacks) + 1
            callback = a_callback(f"cb_{number:06d}", attempt_count=0)
            callback = replace(callback, url=url, is_test=True, **changes)
            self.outbox.callbacks[callback.callback_id] = callback
            ids.append(callback.callback_id)
        return ids

    def states(self, ids: list[str]) -> set[CallbackState]:
        return {self.outbox.callbacks[callback_id].state for callback_id in ids}

    @asynccontextmanager
    async def worker(self, pace: Pace | None = None) -> AsyncIterator[CallbackWorker]:
        client = CallbackClient(allow_loopback=True)
        ports = CallbackPorts(self.outbox, self.secrets, client, self.clock)
        worker = CallbackWorker(ports, pace=pace)
        try:
            async with worker:
                yield worker
        finally:
            await client.close()

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Worker and upkeep run until the block ends."""
        client = CallbackClient(allow_loopback=True)
        ports = CallbackPorts(self.outbox, self.secrets, client, self.clock, notifier=self.notifier)
        try:
            async with CallbackSending(ports).running():
                yield
        finally:
            await client.close()

    async def send_once(self) -> int:
        async with self.worker() as worker:
            return await worker.work_once()
