"""The server's protocol over real sockets: who is answered without a task, in order, and when not."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self

import pytest
import uvicorn
from typing_extensions import override

from authorizer.app import Application
from authorizer.http_protocol import HttpProtocol
from authorizer.main import bind
from authorizer.parts import Limits, Parts
from authorizer.replies import Reply, Scope
from cardops.rules.access import Scope as KeyScope
from cardops.rules.authorization import Answer, Question
from tests.builders.authorizations import USER
from tests.fakes.authorizations import FakeAuthorizations
from tests.fakes.clock import FakeClock
from tests.fakes.outbox import FakeCallbackOutbox
from tests.fakes.programs import FakePrograms
from tests.fakes.secrets import FakeSecretStore


class Watched(Application):
    """Counts what was answered without a task."""

    taken = 0

    @override
    def take(self, scope: Scope, body: bytes, send: Callable[[Reply, str], None]) -> bool:
        is_taken = super().take(scope, body, send)
        self.taken += is_taken
        return is_taken


class Slow(FakeAuthorizations):
    """Takes a moment, so that a request can be under way."""

    @override
    async def decide(self, questions: Sequence[Question]) -> list[Answer]:
        await asyncio.sleep(0.05)
        return await super().decide(questions)


class Served:
    """A server in this process over fakes."""

    def __init__(self) -> None:
        self.authorizations = Slow()
        self.programs = FakePrograms()
        self.key = self.programs.create_key("default", "k", list(KeyScope), is_test=True).key
        self.app = Watched(self.open_parts, runs_background=False)

    @asynccontextmanager
    async def open_parts(self) -> AsyncIterator[Parts]:
        yield Parts(
            self.authorizations, self.programs, FakeCallbackOutbox(), FakeSecretStore(),
            FakeClock(), Limits(),
        )  # fmt: skip

    def question(self, name: str, *headers: str, version: str = "1.1") -> bytes:
        body = json.dumps({"transaction_id": name, "user_id": USER, "amount": "1.00"}).encode()
        lines = [
            f"POST /v1/authorizations HTTP/{version}", "host: a",
            f"authorization: Bearer {self.key}", "content-type: application/json",
            f"content-length: {len(body)}", *headers,
        ]  # fmt: skip
        return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    one = Served()
    await one.authorizations.credit(USER, 100_000)
    config = uvicorn.Config(
        one.app, http=HttpProtocol, log_config=None, lifespan="on", server_header=False,
        date_header=False, proxy_headers=False, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    bound = bind("127.0.0.1", 0)
    one.port = bound.getsockname()[1]  # type: ignore[attr-defined] # for Connection
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:  # noqa: ASYNC110 - uvicorn tells in no other way
        await asyncio.sleep(0.01)
    async with Connection(one) as warm:  # the key is known from here on, for a second
        await warm.send(one.question("warm"))
        await warm.answer()
    yield one
    server.should_exit = True
    await serving
    bound.close()


class Connection:
    """A client's connection."""

    def __init__(self, served: Served) -> None:
        self.port: int = served.port  # type: ignore[attr-defined] # set by the fixture

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

    async def answer(self) -> tuple[int, str, bytes]:
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r")[0])
            return int(head.split()[1]), head, await self.reader.readexactly(length)

    async def name(self) -> str:
        status, _, body = await self.answer()
        assert status == 200
        return str(json.loads(body)["transaction_id"])

    async def is_closed(self) -> bool:
        async with asyncio.timeout(5):
            return await self.reader.read() == b""


async def test_a_whole_question_needs_no_task(served: Served) -> None:
    async with Connection(served) as client:
        before = served.app.taken
        await client.send(served.question("whole"))

        assert await client.name() == "whole"
        assert served.app.taken == before + 1


async def test_a_question_in_pieces_is_answered_the_same_and_the_next_one_too(
    served: Served,
) -> None:
    async with Connection(served) as client:
        asked = served.question("pieces")
        for piece in (asked[:20], asked[20:-10], asked[-10:]):
            await client.send(piece)
            await asyncio.sleep(0.02)
        assert await client.name() == "pieces"

        await client.send(served.question("next"))
        assert await client.name() == "next"


async def test_pipelined_questions_are_answered_in_their_order(served: Served) -> None:
    async with Connection(served) as client:
        get = b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"
        await client.send(served.question("one") + get + served.question("two") + get)

        assert await client.name() == "one"
        assert (await client.answer())[0] == 200
        assert await client.name() == "two"
        assert (await client.answer())[0] == 200


@pytest.mark.parametrize(("headers", "version"), [(("connection: close",), "1.1"), ((), "1.0")])
async def test_who_wants_no_more_has_the_connection_closed(
    served: Served, headers: tuple[str, ...], version: str
) -> None:
    async with Connection(served) as client:
        await client.send(served.question("last", *headers, version=version))
        _, head, _ = await client.answer()

        assert "connection: close" in head
        assert await client.is_closed()


async def test_who_asks_first_whether_to_send_is_told_to(served: Served) -> None:
    async with Connection(served) as client:
        head, _, body = served.question("expected", "expect: 100-continue").partition(b"\r\n\r\n")
        await client.send(head + b"\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(body)

        assert await client.name() == "expected"


async def test_who_hangs_up_early_is_decided_all_the_same_and_told_when_it_asks_again(
    served: Served,
) -> None:
    async with Connection(served) as client:
        await client.send(served.question("gone"))
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)

    async with Connection(served) as client:
        await client.send(served.question("gone"))
        status, head, _ = await client.answer()

    assert status == 200
    assert "idempotent-replayed: true" in head


async def test_a_stopping_server_answers_what_it_has_and_refuses_what_comes(
    served: Served,
) -> None:
    async with Connection(served) as early, Connection(served) as late:
        await early.send(served.question("early"))
        await asyncio.sleep(0.02)
        served.app.drain()
        await late.send(served.question("late"))

        assert await early.name() == "early"
        assert (await late.answer())[0] == 503


async def test_what_is_wrong_is_a_problem_with_the_requests_id(served: Served) -> None:
    async with Connection(served) as client:
        await client.send(served.question("wrong", "content-encoding: gzip"))
        status, head, body = await client.answer()

    assert status == 415
    assert "x-request-id: " in head
    assert json.loads(body)["type"] == "/problems/unsupported-media-type"
