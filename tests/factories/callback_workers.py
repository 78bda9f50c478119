"""A callback worker at work over a fake outbox."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from typing_extensions import override

from authorizer.background import sending
from authorizer.callbacks.upkeep import CallbackUpkeep
from authorizer.callbacks.worker import CallbackWorker
from cardops.rules.callbacks.callbacks import CallbackState
from cardops.rules.callbacks.secrets import secret_name, with_new_secret
from tests.factories.authorizations import NOON, a_callback
from tests.fakes.clock import FakeClock
from tests.fakes.notifier import FakeNotifier
from tests.fakes.outbox import FakeCallbackOutbox
from tests.fakes.secrets import FakeSecretStore


class Secrets(FakeSecretStore):
    """One secret for `default`; those of `broken` cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.secret, value = with_new_secret(None, b"s" * 32, NOON)
        self.put(secret_name("default"), value)
        self.put(secret_name("garbled"), {"secrets": [{"secret": "whsec_!"}]})

    @override
    def get(self, name: str) -> Mapping[str, object] | None:
        self.asked += 1
        if name == secret_name("broken"):
            raise RuntimeError("vault sealed")
        return super().get(name)


@dataclass
class Desk:
    outbox: FakeCallbackOutbox = field(default_factory=FakeCallbackOutbox)
    secrets: Secrets = field(default_factory=Secrets)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOON))
    notifier: FakeNotifier = field(default_factory=FakeNotifier)

    def owe(self, url: str, count: int = 1, **changes: Any) -> list[str]:
        made = []
        for _ in range(count):
            number = len(self.outbox.callbacks) + 1
            one = a_callback(f"cb_{number:06d}", attempt_count=0)
            one = replace(one, url=url, is_test=True, **changes)
            self.outbox.callbacks[one.callback_id] = one
            made.append(one.callback_id)
        return made

    def states(self, ids: list[str]) -> set[CallbackState]:
        return {self.outbox.callbacks[one].state for one in ids}

    def worker(self) -> CallbackWorker:
        return CallbackWorker(self.outbox, self.secrets, self.clock, allow_loopback=True)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[CallbackWorker]:
        upkeep = CallbackUpkeep(self.outbox, self.clock, notifier=self.notifier, kept_days=30)
        worker = self.worker()
        async with sending(worker, upkeep):
            yield worker

    async def once(self) -> int:
        async with self.worker() as worker:
            return await worker.work_once()


async def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what holds is not an event's
            await asyncio.sleep(0.01)
