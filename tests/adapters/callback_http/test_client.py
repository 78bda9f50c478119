"""The callback client against real servers, hostile ones included: limits and reuse."""

import asyncio
import gzip
import time
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from cardops.adapters.callback_http import client as callback_client
from cardops.adapters.callback_http.addresses import AddressRefusedError, CheckedResolver
from cardops.adapters.callback_http.bounded_responses import MAX_RESPONSE_BYTES
from cardops.adapters.callback_http.client import CallbackClient
from cardops.rules.callbacks.callbacks import CallbackResponse
from tests.servers.partners import OK, Partner, Responder, a_partner, in_turn, responding
from tests.servers.starvation import Starvation

GZIP = gzip.compress(b"\0" * 50_000_000)


@pytest.fixture
async def client() -> AsyncIterator[CallbackClient]:
    opened = CallbackClient(allow_loopback=True)
    yield opened
    await opened.close()


async def post(client: CallbackClient, partner: Partner, body: bytes = b"{}") -> CallbackResponse:
    return await client.post(partner.url, body, {"webhook-id": "cb_1"}, is_test=True)


def head(status: int = 200, **fields: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""]).encode()


def flooding(piece: bytes, beginning: bytes = b"") -> Responder:
    """Sends without end."""

    async def respond(writer: asyncio.StreamWriter) -> bool:
        writer.write(beginning)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
        return False

    return respond


def dripping(piece: bytes, beginning: bytes) -> Responder:
    """Sends a little at a time, without end."""

    async def respond(writer: asyncio.StreamWriter) -> bool:
        writer.write(beginning)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        return False

    return respond


async def test_connection_is_reused_for_the_next_callback(client: CallbackClient) -> None:
    body = head(content_length=5) + b"thank"
    async with a_partner(responding(body)) as partner:
        responses = [await post(client, partner) for _ in range(5)]

    assert [response.status_code for response in responses] == [200] * 5
    assert (len(partner.requests), partner.connections) == (5, 1)


async def test_session_expires_so_that_names_are_resolved_again(
    client: CallbackClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_partner() as partner:
        await post(client, partner)
        monkeypatch.setattr(callback_client, "SESSION_SECONDS", 0.0)
        await asyncio.sleep(0.01)
        await post(client, partner)

    assert partner.connections == 2


async def test_reused_connection_closed_by_the_partner_is_retried_once(
    client: CallbackClient,
) -> None:
    async def close(writer: asyncio.StreamWriter) -> bool:
        return False

    async with a_partner(in_turn([responding(), close, responding()])) as partner:
        first, second = await post(client, partner), await post(client, partner)

    assert (first.status_code, second.status_code) == (200, 200)
    assert partner.connections == 2


async def test_new_connection_closed_by_the_partner_fails_without_retry(
    client: CallbackClient,
) -> None:
    async def close(writer: asyncio.StreamWriter) -> bool:
        return False

    async with a_partner(close) as partner:
        response = await post(client, partner)

    assert response.error == "ServerDisconnectedError: Closed before the response was complete."
    assert len(partner.requests) == 1


async def test_surplus_response_is_not_read_as_the_next_response(client: CallbackClient) -> None:
    refused = head(503, content_length=0)
    async with a_partner(in_turn([responding(refused + OK), responding(refused)])) as partner:
        responses = [await post(client, partner), await post(client, partner)]

    assert [response.status_code for response in responses] == [503, 503]


@pytest.mark.parametrize("status", [200, 500])
async def test_endless_body_is_cut_and_its_status_counts(
    client: CallbackClient, status: int
) -> None:
    beginning = head(status, transfer_encoding="chunked")
    piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    async with a_partner(flooding(piece, beginning)) as partner:
        starved, started = Starvation(), time.perf_counter()
        response = await post(client, partner)

    assert response.status_code == status
    assert time.perf_counter() - started - starved.seconds() < 5


async def test_body_of_the_maximum_size_is_read_and_a_longer_one_is_cut(
    client: CallbackClient,
) -> None:
    response = head(content_length=MAX_RESPONSE_BYTES) + b"x" * MAX_RESPONSE_BYTES
    beginning = head(content_length=10**12)
    async with (
        a_partner(responding(response)) as exact,
        a_partner(flooding(b"x" * 65536, beginning)) as endless,
    ):
        responses = [await post(client, exact), await post(client, endless)]

    assert [response.status_code for response in responses] == [200, 200]


async def test_gzip_bomb_is_never_decompressed(client: CallbackClient) -> None:
    assert len(GZIP) < MAX_RESPONSE_BYTES
    bomb = head(content_encoding="gzip", content_length=len(GZIP)) + GZIP
    async with a_partner(responding(bomb)) as partner:
        await post(client, partner)
        tracemalloc.start()
        response = await post(client, partner)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert response.status_code == 200
    assert peak < 5_000_000


HEADS = {
    "fields without end": flooding(b"x-field: 1\r\n" * 100, b"HTTP/1.1 200 OK\r\n"),
    "a field without end": flooding(b"x" * 65536, b"HTTP/1.1 200 OK\r\nx-field: "),
    "a status line without end": flooding(b"x" * 65536, b"HTTP/1.1 200 "),
    "101 fields": responding(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n"),
    "informational responses without end": flooding(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "processing without end": flooding(b"HTTP/1.1 102 Processing\r\na: b\r\n\r\n" * 1000),
    "no HTTP": responding(b"220 mail.example.com ESMTP\r\n", keeps_open=False),
    "TLS": responding(b"\x15\x03\x01\x00\x02\x02\x28", keeps_open=False),
    "an upgrade": responding(
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
    ),
    "a length twice": responding(
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\n"
    ),
    "a negative length": responding(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
    "half a head": responding(b"HTTP/1.1 200 OK\r\nsecret: 4111111111111111\r\n", keeps_open=False),
    "half a body": responding(
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsecret", keeps_open=False
    ),
}


@pytest.mark.parametrize("kind", HEADS)
async def test_malformed_response_fails_immediately_and_is_not_stored(
    client: CallbackClient, kind: str
) -> None:
    async with a_partner(HEADS[kind]) as partner:
        starved, started = Starvation(), time.perf_counter()
        response = await post(client, partner)

    assert time.perf_counter() - started - starved.seconds() < 5
    assert response.error is not None
    assert response.status_code in {None, 101}
    assert not any(word in response.error for word in ("secret", "4111", "field", "mail", "xxxx"))


@pytest.mark.parametrize(
    "respond",
    [
        dripping(b"x", head(content_length=10_000)),
        dripping(b"x", b"HTTP/1.1 200 OK\r\nx-field: "),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n", b""),
        dripping(b"1\r\nx\r\n", head(transfer_encoding="chunked")),
        responding(b"", seconds=3600),
    ],
    ids=["body", "field", "informational", "chunks", "silence"],
)
async def test_slowly_dripping_response_times_out(
    client: CallbackClient, respond: Responder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_client, "TOTAL_SECONDS", 0.4)
    async with a_partner(respond) as partner:
        starved, started = Starvation(), time.perf_counter()
        response = await post(client, partner)

    assert response.error == "TimeoutError: No complete response in 0.4 s."
    seconds = time.perf_counter() - started
    assert 0.3 < seconds < 3 + starved.seconds()


async def test_response_limits_are_ten_seconds_and_64_kib() -> None:
    assert callback_client.TOTAL_SECONDS == 10.0
    assert MAX_RESPONSE_BYTES == 65_536


async def test_flood_of_informational_responses_does_not_block_the_loop(
    client: CallbackClient,
) -> None:
    """Requests are served on the same loop. Thread time: other processes may be busy too."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    watching = asyncio.create_task(watch())
    async with a_partner(responding(b"HTTP/1.1 100 Continue\r\n\r\n" * 200_000)) as partner:
        response = await post(client, partner)
    watching.cancel()

    assert response.status_code is None
    assert longest < 0.5


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/"])
async def test_live_callback_never_connects_to_loopback(client: CallbackClient, url: str) -> None:
    response = await client.post(url, b"", {}, is_test=False)

    assert response.status_code is None
    assert "not public" in str(response.error)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"secret 4111111111111111\r\n\r\n", "The response is not valid HTTP."),
        (b"HTTP/1.1 200 OK\r\nsecret: 4111111111111111\0\r\n\r\n", "is not valid HTTP."),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nsecret\r\n", "is not valid HTTP."),
        (b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", "The endpoint answered 302."),
        (b"HTTP/1.1 503 Secret\r\ncontent-length: 0\r\n\r\n", "The endpoint answered 503."),
    ],
)
async def test_only_the_status_of_a_response_is_stored(
    client: CallbackClient, data: bytes, error: str
) -> None:
    async with a_partner(responding(data, keeps_open=False)) as partner:
        response = await post(client, partner)

    assert (response.error or "").endswith(error)
    assert "ecret" not in (response.error or "")


async def test_resolver_refuses_a_name_with_one_forbidden_address() -> None:
    with pytest.raises(AddressRefusedError):
        await CheckedResolver(allow_loopback=False).resolve("localhost", 443)
