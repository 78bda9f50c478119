"""The HTTP server in this process, over fakes, and a client connection to it."""

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
from tests.factories.waiting import PATIENCE_SECONDS
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock
from tests.fakes.outbox import FakeCallbackOutbox
from tests.fakes.programs import FakePrograms
from tests.fakes.reads import FakeReads
from tests.fakes.secrets import FakeSecretStore


class CountingApplication(Application):
    """Counts the authorization requests that were answered without a task."""

    submitted_count = 0

    @override
    def submit_authorization(
        self, scope: Scope, body: bytes, send: Callable[[Reply, str], None]
    ) -> bool:
        is_submitted = super().submit_authorization(scope, body, send)
        self.submitted_count += is_submitted
        return is_submitted


class SlowAuthorizations(FakeAuthorizations):
    """Takes 50 ms per batch, so that a test can act while a request is in progress."""

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        await asyncio.sleep(0.05)
        return await super().decide(requests)


class InProcessServer:
    """A server in this process over fakes."""

    def __init__(self, authorizations: FakeAuthorizations) -> None:
        self.authorizations = authorizations
        self.programs = FakePrograms()
        self.key = self.programs.create_key("default", "k", list(KeyScope), is_test=True).key
        self.app = CountingApplication(self.open_dependencies, runs_background=False)
        config = uvicorn.Config(
            self.app, http=HttpProtocol, log_config=None, lifespan="on", server_header=False,
            date_header=False, proxy_headers=False, ws="none",
        )  # fmt: skip
        self.uvicorn = DrainingServer(config)
        self.listener = bind("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]

    @asynccontextmanager
    async def open_dependencies(self) -> AsyncIterator[Dependencies]:
        outbox = FakeCallbackOutbox()
        yield Dependencies(
            self.authorizations, self.programs, outbox, FakeReads(self.authorizations, outbox),
            FakeSecretStore(),
            FakeClock(), Limits(),
        )  # fmt: skip

    def request(self, transaction_id: str, *headers: str, version: str = "1.1") -> bytes:
        fields = {"transaction_id": transaction_id, "user_id": USER, "amount": "1.00"}
        body = json.dumps(fields).encode()
        lines = [
            f"POST /v1/authorizations HTTP/{version}", "host: a",
            f"authorization: Bearer {self.key}", "content-type: application/json",
            f"content-length: {len(body)}", *headers,
        ]  # fmt: skip
        return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def in_process_server(
    authorizations: FakeAuthorizations | None = None,
) -> AsyncIterator[InProcessServer]:
    """A running server whose cache already holds the key, for a second."""
    server = InProcessServer(authorizations or SlowAuthorizations())
    await server.authorizations.credit(USER, 100_000)
    running = asyncio.create_task(server.uvicorn.serve(sockets=[server.listener]))
    while not server.uvicorn.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    async with Connection(server) as warm_up:
        await warm_up.send(server.request("warm-up"))
        await warm_up.response()
    yield server
    server.uvicorn.should_exit = True
    await running


class Connection:
    """A client connection."""

    def __init__(self, server: InProcessServer) -> None:
        self.port = server.port

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
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r")[0])
            return int(head.split()[1]), head, await self.reader.readexactly(length)

    async def decided_id(self) -> str:
        """The transaction id of the next response, which must be a decision."""
        status, _, body = await self.response()
        assert status == 200
        return str(json.loads(body)["transaction_id"])

    async def is_closed(self) -> bool:
        async with asyncio.timeout(5):
            return await self.reader.read() == b""
