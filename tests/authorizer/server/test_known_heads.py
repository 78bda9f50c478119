"""A request whose head is known from its connection is not parsed, and answered as if it were."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from authorizer.server.http_protocol import HttpProtocol
from authorizer.server.known_heads import MAX_BYTES, MAX_HEADS, KnownHeads
from tests.fakes.authorizations import FakeAuthorizations
from tests.servers.in_process_authorizer import Connection, InProcessServer, in_process_server

PATH = b"POST /v1/authorizations HTTP/1.1\r\n"
END = b"\r\n\r\n"
TOO_MANY = b"x: y\r\n" * 101
LENGTH = b"content-length: %d"


class AlwaysParsing(HttpProtocol):
    """The slow and obvious way."""

    @override
    def _may_skip_parsing(self) -> bool:
        return False


class Sent(asyncio.Transport):
    """A connection in memory: what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.is_closed = False

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data

    @override
    def write_eof(self) -> None:
        """Closing begins."""

    @override
    def is_closing(self) -> bool:
        return self.is_closed

    @override
    def close(self) -> None:
        self.is_closed = True

    @override
    def pause_reading(self) -> None:
        """Nothing is read."""

    @override
    def resume_reading(self) -> None:
        """Nothing is read."""


@contextmanager
def parsed_pieces(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The pieces that were parsed within the block."""
    pieces: list[bytes] = []
    parse = HttpProtocol._parse

    def record(self: HttpProtocol, data: bytes) -> None:
        pieces.append(data)
        parse(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(HttpProtocol, "_parse", record)
        yield pieces


async def test_request_with_a_known_head_is_not_parsed(
    server: InProcessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Connection(server) as client:
        with parsed_pieces(monkeypatch) as pieces:
            for transaction_id in ("one", "two", "longer", "six"):
                await client.send(server.request(transaction_id))
                assert await client.decided_id() == transaction_id

    assert pieces == [server.request("one"), server.request("longer")]


async def test_bytes_of_a_known_request_within_a_body_are_no_request(
    server: InProcessServer,
) -> None:
    request = server.request("smuggled")
    async with Connection(server) as client:
        await client.send(server.request("earlier."))
        assert await client.decided_id() == "earlier."
        head, body = within_a_body(request)
        await client.send(head)
        await asyncio.sleep(0.01)
        await client.send(body)

        assert (await client.response())[0] == 422
    assert ("default", "smuggled") not in server.authorizations.records


@pytest.mark.parametrize("earlier", ["", "earlier"])
async def test_refused_head_is_not_remembered(server: InProcessServer, earlier: str) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    async with Connection(server) as client:
        if earlier:
            await client.send(server.request(earlier))
            assert await client.decided_id() == earlier
        await client.send(server.request("refused", *(f"h{number}: x" for number in range(101))))

        assert (await client.response())[0] == 431
    assert errors == []


async def test_head_of_a_revoked_key_is_refused(server: InProcessServer) -> None:
    async with Connection(server) as client:
        await client.send(server.request("before"))
        assert await client.decided_id() == "before"
        for key in server.programs.keys("default"):
            server.programs.revoke_key(key.key_id)
        assert server.app._dependencies is not None
        for entry in server.app._dependencies.authenticator._entries.values():
            entry.expires_at = 0.0
        await client.send(server.request("behind"))

        assert (await client.response())[0] == 401


def with_body_in_pieces(request: bytes) -> list[bytes]:
    head, end, body = request.partition(END)
    return [head + end, body]


def within_a_body(request: bytes) -> list[bytes]:
    """A request as the body of another one, which has the bytes of a whole request."""
    head, end, body = request.partition(END)
    outer = head.replace(LENGTH % len(body), LENGTH % len(request))
    return [outer + end, request]


def chunked(request: bytes) -> list[bytes]:
    head, end, body = request.partition(END)
    head = head.replace(LENGTH % len(body), b"transfer-encoding: chunked")
    return [head + end + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)]


# The pieces in which a request arrives, with a second one where a kind has two.
KINDS: dict[str, Callable[[bytes, bytes], list[bytes]]] = {
    "whole": lambda request, _: [request],
    "two whole": lambda request, second: [request, second],
    "body in pieces": lambda request, _: with_body_in_pieces(request),
    "within a body": lambda request, _: within_a_body(request),
    "second in pieces": lambda request, second: [request + second[:9], second[9:]],
    "pipelined": lambda request, second: [request + second],
    "chunked": lambda request, _: chunked(request),
    "empty line first": lambda request, _: [b"\r\n" + request],
    "malformed head": lambda request, _: [request.replace(b"host:", b"host :")],
    "invalid body": lambda request, _: [request.replace(b'"amount"', b'"amouns"')],
    "another key": lambda request, _: [re.sub(rb"Bearer .{8}", b"Bearer AAAAAAAA", request)],
    "dry run": lambda request, _: [request.replace(b" HTTP", b"?dry_run=true HTTP", 1)],
    "too many headers": lambda request, _: [request.replace(b"host: a", TOO_MANY + b"host: a")],
    "other route": lambda _request, _: [b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"],
    "last": lambda request, _: [request.replace(b"host: a", b"connection: close")],
}
# A kind of request, the end of its id, whether its response is awaited.
Step: TypeAlias = tuple[str, str, bool]
STEPS = st.tuples(
    st.sampled_from([*KINDS, *["whole"] * 6]), st.sampled_from(["", "x", "yz"]), st.booleans()
)


# What differs between two responses to one request.
VARYING = re.compile(
    rb'(?<="transaction_id":)"\w+|auth_\w+|[\d-]+T[\d:.]+Z|(?:credit|ledger_seq)":[\d.]+'
    rb"|(?:content-length|x-request-id): \w+"
)


async def received(
    server: InProcessServer, protocol: HttpProtocol, name: str, sequence: Sequence[Step]
) -> tuple[bytes, bool]:
    """What the client receives for these requests, and whether the connection is closed then."""
    transport = Sent()
    protocol.connection_made(transport)
    for number, (kind, suffix, waits) in enumerate(sequence):
        request, second = (server.request(f"{name}{mark}{number}{suffix}") for mark in "-+")
        for piece in KINDS[kind](request, second):
            if not transport.is_closed:
                protocol.data_received(piece)
        await turns(protocol, 200 if waits else 0)
    await turns(protocol, 300)
    protocol.connection_lost(None)
    return VARYING.sub(b"", transport.data), transport.is_closed


async def turns(protocol: HttpProtocol, most: int) -> None:
    """Let the loop turn until every request is answered."""
    for _ in range(most):
        await asyncio.sleep(0)
        cycle: RequestResponseCycle | None = protocol.cycle
        if (cycle is None or cycle.response_complete) and not protocol.pipeline:
            break


def test_responses_are_those_of_a_connection_that_always_parses() -> None:
    """One server for all sequences: starting it takes longer than they do."""
    names = count(100_000)

    with asyncio.Runner() as runner:
        running = in_process_server(FakeAuthorizations())
        server = runner.run(running.__aenter__())
        config, state = server.uvicorn.config, server.uvicorn.server_state

        @settings(max_examples=100, deadline=None)
        @given(st.lists(STEPS, min_size=2, max_size=8))
        def compare(sequence: list[Step]) -> None:
            async def both() -> list[tuple[bytes, bool]]:
                return [
                    await received(server, kind(config, state, {}), f"h{next(names)}", sequence)
                    for kind in (HttpProtocol, AlwaysParsing)
                ]

            fast, slow = runner.run(both())
            assert fast == slow

        compare()
        runner.run(running.__aexit__(None, None, None))


def test_only_a_few_short_heads_are_kept() -> None:
    heads = KnownHeads()
    for length in range(1, MAX_HEADS + 2):
        heads.remember(PATH + b"\r\n" + b"x" * length, length, {})
    long = PATH + b"a: " + b"b" * MAX_BYTES + b"\r\n\r\n{}"
    heads.remember(long, 2, {})

    found = [heads.find(PATH + b"\r\n" + b"y" * length) for length in range(1, MAX_HEADS + 2)]
    assert [head is not None for head in found] == [False, *[True] * MAX_HEADS]
    assert heads.find(long) is None
