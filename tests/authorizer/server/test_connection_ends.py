"""How a connection ends: nobody who asked is left without an answer, and `close` is true."""

import asyncio
import http.client
import json
import logging
import re
import socket
import time
from pathlib import Path

import pytest

from authorizer.server.bounded_protocol import BoundedProtocol
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.in_process_authorizer import Connection, Served
from tests.servers.raw_http import RawReply

LONG = 8_000_000  # more than the kernel's buffers hold


def sent_at_once(served: Served, data: bytes) -> socket.socket:
    """A connection that the loop has had no turn to see."""
    client = socket.create_connection(("127.0.0.1", served.port), timeout=10)
    client.sendall(data)
    return client


async def all_of(client: socket.socket) -> RawReply:
    """What comes until the end. Raises ConnectionResetError."""

    def read() -> bytes:
        with client:
            return b"".join(iter(lambda: client.recv(65_536), b""))

    return RawReply(await asyncio.to_thread(read))


async def test_who_waits_to_be_accepted_when_the_server_stops_is_answered(served: Served) -> None:
    clients = [sent_at_once(served, served.request(f"waiting-{n}")) for n in range(50)]
    await served.server.shutdown(sockets=[served.bound])

    replies = [await all_of(client) for client in clients]

    assert {reply.status for reply in replies} == {503}
    assert all("\r\nconnection: close" in reply.head for reply in replies)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", served.port))


async def test_a_stopping_server_tells_its_clients_that_no_more_is_answered(
    served: Served,
) -> None:
    async with Connection(served) as early, Connection(served) as late, Connection(served) as idle:
        await early.send(served.request("early"))
        await idle.send(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await idle.response())[0] == 200
        served.server.should_exit = True
        served.app.drain()
        await late.send(served.request("late-1") + served.request("late-2"))

        status, head, _ = await early.response()
        assert (status, "connection: close" in head) == (200, True)
        for place, is_last in ((1, False), (2, True)):
            status, head, _ = await late.response()
            assert (place, status, "connection: close" in head) == (place, 503, is_last)
        assert [await one.is_closed() for one in (early, late, idle)] == [True] * 3


async def test_what_is_unread_when_an_idle_connection_would_be_closed_is_answered(
    served: Served,
) -> None:
    async with Connection(served) as client:
        await client.send(served.request("first"))
        assert await client.name() == "first"
        (protocol,) = served.server.server_state.connections
        client.writer.write(served.request("second"))
        protocol.timeout_keep_alive_handler()

        assert await client.name() == "second"


async def test_who_has_nothing_more_to_send_still_gets_its_answer(served: Served) -> None:
    async with Connection(served) as client:
        await client.send(served.request("half"))
        client.writer.write_eof()
        status, head, _ = await client.response()

        assert (status, "connection: close" in head) == (200, True)
        assert await client.is_closed()


async def test_who_hangs_up_amid_a_request_is_forgotten(served: Served) -> None:
    async with Connection(served) as client:
        await client.send(served.request("cut")[:-5])
        client.writer.write_eof()

        assert await client.is_closed()


@pytest.mark.parametrize("path", ["/v1/authorizations", "/v1/authorizations/t/void"])
async def test_who_is_still_sending_too_much_reads_its_refusal(served: Served, path: str) -> None:
    head = served.request("long").partition(b"\r\ncontent-length")[0]
    head = head.replace(b"/v1/authorizations", path.encode(), 1)
    head += b"\r\ncontent-length: %d\r\n\r\n" % LONG

    def ask() -> RawReply:
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
            client.sendall(head + b"x" * LONG)  # all of it, before it looks for an answer
            return RawReply(b"".join(iter(lambda: client.recv(65_536), b"")))

    reply = await asyncio.to_thread(ask)

    assert (reply.status, reply.problem) == (413, "body-too-large")
    assert "\r\nconnection: close" in reply.head


async def test_who_sends_endless_headers_reads_its_refusal(served: Served) -> None:
    def ask() -> RawReply:
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * LONG)
            return RawReply(b"".join(iter(lambda: client.recv(65_536), b"")))

    assert (await asyncio.to_thread(ask)).problem == "headers-too-large"


async def test_a_body_too_large_that_came_whole_ends_the_connection_as_its_answer_says(
    served: Served,
) -> None:
    async with Connection(served) as client:
        await client.send(with_body(served, 17_000))
        status, head, _ = await client.response()

        assert status == 413
        assert head.count("connection: close") == 1
        assert await client.is_closed()


def with_body(served: Served, size: int) -> bytes:
    head = served.request("large").partition(b"\r\ncontent-length")[0]
    return head + b"\r\ncontent-length: %d\r\n\r\n%b" % (size, b"x" * size)


@pytest.mark.parametrize(
    ("data", "slug"),
    [
        (b"HELLO\r\n\r\n", "malformed-http"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 40_000, "headers-too-large"),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 101 + b"\r\n", "headers-too-large"),
    ],
)
async def test_what_is_refused_below_the_routes_has_an_id_that_the_log_knows(
    served: Served, data: bytes, slug: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("authorizer").setLevel(logging.INFO)
    reply = await all_of(sent_at_once(served, data))
    await asyncio.sleep(0.1)  # the log is written a few lines at once

    assert reply.problem == slug
    (request_id,) = re.findall("x-request-id: ([0-9a-f]{24})", reply.head)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = (line for line in lines if line.get("request_id") == request_id)
    assert (line["status"], line["route"]) == (reply.status, "unmatched")
    told = f'method="other",route="unmatched",status="{reply.status}"'
    assert told in served.app.metrics.text().decode()


async def test_one_connection_too_many_is_told_so_with_an_id(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authorizer.server.bounded_protocol.max_connections", lambda: 0)
    async with Connection(served) as client:
        status, head, _ = await client.response()

        assert status == 503
        assert re.search("x-request-id: [0-9a-f]{24}", head)
        assert "retry-after: 1" in head
        assert await client.is_closed()


async def test_a_client_that_never_closes_does_not_hold_its_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authorizer.server.lingering.LINGER_SECONDS", 0.05)
    async with Connection(served) as client:
        await client.send(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 40_000)
        await client.response()
        connections: set[BoundedProtocol] = served.server.server_state.connections  # type: ignore[assignment]
        assert len(connections) == 1
        await asyncio.sleep(0.2)

        assert not connections


@pytest.mark.soak
@pytest.mark.database
@pytest.mark.timeout(120)
def test_a_connection_outlives_the_minute_that_a_load_balancer_keeps_it(
    database_url: str, tmp_path: Path
) -> None:
    with AuthorizerProcess(database_url, tmp_path) as api:
        kept = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
        for idle_seconds in (0, 61):
            time.sleep(idle_seconds)
            kept.request("GET", "/livez")
            # Raises RemoteDisconnected where the server has closed it meanwhile.
            with kept.getresponse() as response:
                assert response.status == 200
                response.read()
        kept.close()
