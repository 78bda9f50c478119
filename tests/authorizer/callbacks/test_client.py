"""The callback client against real servers, among them hostile ones: bounds, and kept connections."""

import asyncio
import gzip
import time
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from authorizer.callbacks import client as callback_client
from authorizer.callbacks.client import MAX_RESPONSE_BYTES, CallbackClient
from cardops.rules.callbacks.callbacks import Response
from tests.servers.partners import OK, AuthorizationResponse, Partner, a_partner, answering, in_turn

GZIP = gzip.compress(b"\0" * 50_000_000)


@pytest.fixture
async def client() -> AsyncIterator[CallbackClient]:
    made = CallbackClient(allow_loopback=True)
    yield made
    await made.close()


async def post(client: CallbackClient, partner: Partner, body: bytes = b"{}") -> Response:
    return await client.post(partner.url, body, {"webhook-id": "cb_1"}, is_test=True)


def head(status: int = 200, **fields: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode()


def flooding(piece: bytes, beginning: bytes = b"") -> AuthorizationResponse:
    """Sends without end."""

    async def response(writer: asyncio.StreamWriter) -> bool:
        writer.write(beginning)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
        return False

    return response


def dripping(piece: bytes, beginning: bytes) -> AuthorizationResponse:
    """Sends a little at a time, without end."""

    async def response(writer: asyncio.StreamWriter) -> bool:
        writer.write(beginning)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        return False

    return response


async def test_a_connection_is_kept_for_the_next_callback(client: CallbackClient) -> None:
    body = head(content_length=5) + b"thank"
    async with a_partner(answering(body)) as partner:
        said = [await post(client, partner) for _ in range(5)]

    assert [one.status_code for one in said] == [200] * 5
    assert (len(partner.requests), partner.connections) == (5, 1)


async def test_a_session_lives_for_a_minute_so_that_names_are_looked_up_again(
    client: CallbackClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_partner() as partner:
        await post(client, partner)
        monkeypatch.setattr(callback_client, "SESSION_SECONDS", 0.0)
        await asyncio.sleep(0.01)
        await post(client, partner)

    assert partner.connections == 2


async def test_a_kept_connection_that_was_closed_under_us_is_no_failure(
    client: CallbackClient,
) -> None:
    async def close(writer: asyncio.StreamWriter) -> bool:
        return False

    async with a_partner(in_turn([answering(), close, answering()])) as partner:
        first, second = await post(client, partner), await post(client, partner)

    assert (first.status_code, second.status_code) == (200, 200)
    assert partner.connections == 2


async def test_a_new_connection_that_is_closed_is_a_failure_and_asked_once(
    client: CallbackClient,
) -> None:
    async def close(writer: asyncio.StreamWriter) -> bool:
        return False

    async with a_partner(close) as partner:
        said = await post(client, partner)

    assert said.error == "ServerDisconnectedError: Closed before an answer was complete."
    assert len(partner.requests) == 1


async def test_an_answer_too_many_is_not_taken_for_the_next_ones(client: CallbackClient) -> None:
    refused = head(503, content_length=0)
    async with a_partner(in_turn([answering(refused + OK), answering(refused)])) as partner:
        said = [await post(client, partner), await post(client, partner)]

    assert [one.status_code for one in said] == [503, 503]


@pytest.mark.parametrize("status", [200, 500])
async def test_an_endless_body_is_cut_and_its_status_stands(
    client: CallbackClient, status: int
) -> None:
    beginning = head(status, transfer_encoding="chunked")
    piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    async with a_partner(flooding(piece, beginning)) as partner:
        started = time.perf_counter()
        said = await post(client, partner)

    assert said.status_code == status
    assert time.perf_counter() - started < 5


async def test_a_body_of_exactly_the_cap_is_taken_and_one_announced_too_long_is_cut(
    client: CallbackClient,
) -> None:
    whole = head(content_length=MAX_RESPONSE_BYTES) + b"x" * MAX_RESPONSE_BYTES
    beginning = head(content_length=10**12)
    async with (
        a_partner(answering(whole)) as one,
        a_partner(flooding(b"x" * 65536, beginning)) as two,
    ):
        said = [await post(client, one), await post(client, two)]

    assert [response.status_code for response in said] == [200, 200]


async def test_a_gzip_bomb_is_never_inflated(client: CallbackClient) -> None:
    assert len(GZIP) < MAX_RESPONSE_BYTES
    bomb = head(content_encoding="gzip", content_length=len(GZIP)) + GZIP
    async with a_partner(answering(bomb)) as partner:
        await post(client, partner)
        tracemalloc.start()
        said = await post(client, partner)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert said.status_code == 200
    assert peak < 5_000_000


HEADS = {
    "fields without end": flooding(b"x-field: 1\r\n" * 100, b"HTTP/1.1 200 OK\r\n"),
    "a field without end": flooding(b"x" * 65536, b"HTTP/1.1 200 OK\r\nx-field: "),
    "a status line without end": flooding(b"x" * 65536, b"HTTP/1.1 200 "),
    "101 fields": answering(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n"),
    "informational answers without end": flooding(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "processing without end": flooding(b"HTTP/1.1 102 Processing\r\na: b\r\n\r\n" * 1000),
    "no HTTP": answering(b"220 mail.example.com ESMTP\r\n", keeps=False),
    "TLS": answering(b"\x15\x03\x01\x00\x02\x02\x28", keeps=False),
    "an upgrade": answering(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    "a length twice": answering(
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\n"
    ),
    "a negative length": answering(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
    "half a head": answering(b"HTTP/1.1 200 OK\r\nsecret: 4111111111111111\r\n", keeps=False),
    "half a body": answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsecret", keeps=False),
}


@pytest.mark.parametrize("kind", HEADS)
async def test_an_answer_that_is_none_is_a_failure_at_once_and_nothing_of_it_is_kept(
    client: CallbackClient, kind: str
) -> None:
    async with a_partner(HEADS[kind]) as partner:
        started = time.perf_counter()
        said = await post(client, partner)

    assert time.perf_counter() - started < 5
    assert said.error is not None
    assert said.status_code in {None, 101}
    assert not any(word in said.error for word in ("secret", "4111", "field", "mail", "xxxx"))


@pytest.mark.parametrize(
    "response",
    [
        dripping(b"x", head(content_length=10_000)),
        dripping(b"x", b"HTTP/1.1 200 OK\r\nx-field: "),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n", b""),
        dripping(b"1\r\nx\r\n", head(transfer_encoding="chunked")),
        answering(b"", seconds=3600),
    ],
    ids=["body", "field", "informational", "chunks", "silence"],
)
async def test_an_answer_that_drips_has_the_time_of_any_other(
    client: CallbackClient, response: AuthorizationResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_client, "TOTAL_SECONDS", 0.4)
    async with a_partner(response) as partner:
        started = time.perf_counter()
        said = await post(client, partner)

    assert said.error == "TimeoutError: No complete answer in 0.4 s."
    assert 0.3 < time.perf_counter() - started < 3


async def test_the_time_of_an_answer_is_ten_seconds() -> None:
    assert callback_client.TOTAL_SECONDS == 10.0
    assert MAX_RESPONSE_BYTES == 65_536


async def test_a_flood_blocks_the_loop_for_a_moment_at_most(client: CallbackClient) -> None:
    """Requests are answered on the same loop. The time of this thread: others may be busy too."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    watching = asyncio.create_task(watch())
    async with a_partner(answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 200_000)) as partner:
        said = await post(client, partner)
    watching.cancel()

    assert said.status_code is None
    assert longest < 0.5
