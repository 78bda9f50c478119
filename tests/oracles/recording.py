"""Partners that send requests concurrently over persistent connections and record every call.

Belongs here: sending and recording. Turning calls into events is in observed_events, the check of
their order in histories.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.servers.keep_alive import KeepAlive, Response

PATH = "/v1/authorizations"
CONNECTION_LOST = 0
UNAVAILABLE = 503
MAX_REMEMBERED = 40


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `amount_minor` is None for a full capture and for a void.

    `sent_at` is when the kernel had accepted all of it; None where it never did.
    """

    kind: str
    transaction_id: str
    user_id: str
    began: float
    ended: float
    status: int
    amount_minor: int | None = None
    key: str = ""
    is_replayed: bool = False
    body: bytes = b""
    sent_at: float | None = None


@dataclass(slots=True)
class SentRequest:
    transaction_id: str
    user_id: str
    amount_minor: int
    is_capture: bool

    def body(self, *, more: int = 0) -> dict[str, object]:
        amount = text(self.amount_minor + more)
        return {
            "transaction_id": self.transaction_id,
            "user_id": self.user_id,
            "amount": amount,
            "capture": self.is_capture,
        }


@dataclass
class Recorder:
    """Many partners on these ports; `calls` holds everything they observed."""

    ports: Sequence[int]
    key: str
    users: Sequence[str]
    seed: int = 1
    max_amount_minor: int = 400
    callback_url: str | None = None
    calls: list[Call] = field(default_factory=list)
    left: int = 0
    _shared: list[SentRequest] = field(default_factory=list)

    async def run(self, count: int, *, connections: int = 48) -> None:
        """Send `count` requests over all connections; returns when each has its response or is lost."""
        self.left = count
        await asyncio.gather(*(self._partner(number) for number in range(connections)))

    def stop(self) -> None:
        self.left = 0

    async def _partner(self, number: int) -> None:
        chance = random.Random(f"{self.seed}/{number}")  # noqa: S311 - must be reproducible
        async with KeepAlive(self.ports[number % len(self.ports)], self.key) as client:
            while self.left > 0:
                self.left -= 1
                await self._step(client, chance, f"{self.seed}-{number}-{self.left}")

    async def _step(self, client: KeepAlive, chance: random.Random, name: str) -> None:
        drawn = chance.random()
        if drawn < 0.62 or not self._shared:
            await self._authorize(client, chance, name)
            return
        # An earlier request, mostly still in progress on another connection or process.
        request = chance.choice(self._shared)
        if drawn < 0.74:
            await self._send(client, request, more=int(drawn > 0.71))
        elif drawn < 0.82:
            part = chance.choice([None, 1, max(1, request.amount_minor // 2), request.amount_minor])
            await self._act(client, "capture", request, part)
        elif drawn < 0.88:
            await self._act(client, "void", request, None)
        elif drawn < 0.94:
            key = f"i{chance.randrange(3)}"
            await self._act(client, "increment", request, chance.randrange(1, 60), key)
        else:
            key, total = f"r{chance.randrange(3)}", request.amount_minor
            await self._act(client, "refund", request, chance.randrange(1, total + 1), key)

    async def _authorize(self, client: KeepAlive, chance: random.Random, name: str) -> None:
        request = SentRequest(
            f"t{name}",
            chance.choice(self.users),
            chance.randrange(1, self.max_amount_minor),
            chance.random() < 0.5,
        )
        self._shared.append(request)
        if len(self._shared) > MAX_REMEMBERED:
            del self._shared[chance.randrange(MAX_REMEMBERED)]
        if chance.random() < 0.03:  # the void arrives first
            await self._act(client, "void", request, None)
        await self._send(client, request)

    async def _send(self, client: KeepAlive, request: SentRequest, *, more: int = 0) -> None:
        body = request.body(more=more)
        if self.callback_url:
            body["callback_url"] = self.callback_url
        began = time.monotonic()
        reply = await self._call(client, PATH, body)
        amount_minor = request.amount_minor + more
        self._record("authorize", request, (began, client.sent_at), reply, amount_minor)

    async def _act(
        self,
        client: KeepAlive,
        kind: str,
        request: SentRequest,
        amount_minor: int | None,
        key: str = "",
    ) -> None:
        body: dict[str, object] = {} if amount_minor is None else {"amount": text(amount_minor)}
        if key:
            body[f"{kind}_id"] = key
        began = time.monotonic()
        reply = await self._call(client, f"{PATH}/{request.transaction_id}/{kind}", body)
        self._record(kind, request, (began, client.sent_at), reply, amount_minor, key)

    async def _call(self, client: KeepAlive, path: str, body: object) -> Response | None:
        try:
            reply = await client.call("POST", path, body)
        except (OSError, TimeoutError):
            await asyncio.sleep(0.02)
            return None
        if reply.status == UNAVAILABLE:
            await asyncio.sleep(0.2)
        return reply

    def _record(
        self,
        kind: str,
        request: SentRequest,
        times: tuple[float, float | None],
        reply: Response | None,
        amount_minor: int | None,
        key: str = "",
    ) -> None:
        call = Call(
            kind,
            request.transaction_id,
            request.user_id,
            times[0],
            time.monotonic(),
            CONNECTION_LOST if reply is None else reply.status,
            amount_minor,
            key,
            reply is not None and reply.is_replayed,
            b"" if reply is None else reply.body,
            times[1],
        )
        self.calls.append(call)


def text(amount_minor: int) -> str:
    return f"{amount_minor // 100}.{amount_minor % 100:02}"
