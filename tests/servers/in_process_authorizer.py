"""The server in this process, over fakes; and a client's connection to it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self

import uvicorn
from typing_extensions import override

from authorizer.app import Application
from authorizer.dependencies import Dependencies, Limits
from authorizer.main import bind
from authorizer.server.draining import DrainingServer
from authorizer.server.http_protocol import HttpProtocol
from authorizer.server.replies import Reply, Scope
from cardops.rules.authorizations.decisions import AuthorizationRequest, AuthorizationResponse
from cardops.rules.programs.api_keys import Scope as KeyScope
from tests.factories.authorizations import USER
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock
from tests.fakes.outbox import FakeCallbackOutbox
from tests.fakes.programs import FakePrograms
from tests.fakes.secrets import FakeSecretStore


class Watched(Application):
    """Counts what was answered without a task."""

    submitted_count = 0

    @override
    def submit_authorization(
        self, scope: Scope, body: bytes, send: Callable[[Reply, str], None]
    ) -> bool:
        is_submitted = super().submit_authorization(scope, body, send)
        self.submitted_count += is_submitted
        return is_submitted


class Slow(FakeAuthorizations):
    """Takes a moment, so that a request can be under way."""

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        await asyncio.sleep(0.05)
        return await super().decide(requests)


class Served:
    """A server in this process over fakes."""

    def __init__(self) -> None:
        self.authorizations = Slow()
        self.programs = FakePrograms()
        self.key = self.programs.create_key("default", "k", list(KeyScope), is_test=True).key
        self.app = Watched(self.open_dependencies, runs_background=False)
        config = uvicorn.Config(
            self.app, http=HttpProtocol, log_config=None, lifespan="on", server_header=False,
            date_header=False, proxy_headers=False, ws="none",
        )  # fmt: skip
        self.server = DrainingServer(config)
        self.bound = bind("127.0.0.1", 0)
        self.port: int = self.bound.getsockname()[1]

    @asynccontextmanager
    async def open_dependencies(self) -> AsyncIterator[Dependencies]:
        yield Dependencies(
            self.authorizations, self.programs, FakeCallbackOutbox(), FakeSecretStore(),
            FakeClock(), Limits(),
        )  # fmt: skip

    def request(self, name: str, *headers: str, version: str = "1.1") -> bytes:
        body = json.dumps({"transaction_id": name, "user_id": USER, "amount": "1.00"}).encode()
        lines = [
            f"POST /v1/authorizations HTTP/{version}", "host: a",
            f"authorization: Bearer {self.key}", "content-type: application/json",
            f"content-length: {len(body)}", *headers,
        ]  # fmt: skip
        return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    """Its key is known to it from the start, for a second."""
    one = Served()
    await one.authorizations.credit(USER, 100_000)
    running = asyncio.create_task(one.server.serve(sockets=[one.bound]))
    while not one.server.started:  # noqa: ASYNC110 - uvicorn tells in no other way
        await asyncio.sleep(0.01)
    async with Connection(one) as warm:
        await warm.send(one.request("warm"))
        await warm.response()
    yield one
    one.server.should_exit = True
    await running


class Connection:
    """A client's connection."""

    def __init__(self, served: Served) -> None:
        self.port = served.port

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def response(self) -> tuple[int, str, bytes]:
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r")[0])
            return int(head.split()[1]), head, await self.reader.readexactly(length)

    async def name(self) -> str:
        status, _, body = await self.response()
        assert status == 200
        return str(json.loads(body)["transaction_id"])

    async def is_closed(self) -> bool:
        async with asyncio.timeout(5):
            return await self.reader.read() == b""
