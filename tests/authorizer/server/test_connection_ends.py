"""How connections end: every request gets its response, and `connection: close` is honoured."""

import asyncio
import http.client
import json
import logging
import re
import socket
import time
from pathlib import Path

import pytest

from authorizer.server import bounded_protocol
from authorizer.server.bounded_protocol import BoundedProtocol
from tests.servers.authorizer_process import AuthorizerProcess
from tests.servers.in_process_authorizer import Connection, InProcessServer
from tests.servers.raw_http import RawReply

LONG = 8_000_000  # more than the kernel's buffers hold


def connect_and_send(server: InProcessServer, data: bytes) -> socket.socket:
    """A connection that the event loop has not yet seen."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    client.sendall(data)
    return client


async def received_until_close(client: socket.socket) -> RawReply:
    """Everything received until the server closes. Raises ConnectionResetError."""

    def read() -> bytes:
        with client:
            return b"".join(iter(lambda: client.recv(65_536), b""))

    return RawReply(await asyncio.to_thread(read))


async def test_connections_waiting_at_shutdown_are_answered(
    server: InProcessServer,
) -> None:
    clients = [connect_and_send(server, server.request(f"waiting-{n}")) for n in range(50)]
    await server.uvicorn.shutdown(sockets=[server.listener])

    replies = [await received_until_close(client) for client in clients]

    assert {reply.status for reply in replies} == {503}
    assert all("\r\nconnection: close" in reply.head for reply in replies)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))


async def test_draining_server_closes_connections_after_their_last_response(
    server: InProcessServer,
) -> None:
    async with Connection(server) as early, Connection(server) as late, Connection(server) as idle:
        await early.send(server.request("early"))
        await idle.send(b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await idle.response())[0] == 200
        server.uvicorn.should_exit = True
        server.app.drain()
        await late.send(server.request("late-1") + server.request("late-2"))

        status, head, _ = await early.response()
        assert (status, "connection: close" in head) == (200, True)
        for number, is_last in ((1, False), (2, True)):
            status, head, _ = await late.response()
            assert (number, status, "connection: close" in head) == (number, 503, is_last)
        assert [await client.is_closed() for client in (early, late, idle)] == [True] * 3


async def test_unread_request_is_answered_before_the_idle_timeout_closes(
    server: InProcessServer,
) -> None:
    async with Connection(server) as client:
        await client.send(server.request("first"))
        assert await client.decided_id() == "first"
        (protocol,) = server.uvicorn.server_state.connections
        client.writer.write(server.request("second"))
        protocol.timeout_keep_alive_handler()

        assert await client.decided_id() == "second"


async def test_idle_connection_is_closed_after_the_keep_alive_time(
    server: InProcessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "TIMEOUT_SECONDS", 0.1)
    server.uvicorn.config.timeout_keep_alive = 1
    started = time.monotonic()
    async with Connection(server) as client:
        for number in range(6):  # longer than the keep-alive time, but never idle for it
            await client.send(server.request(f"t{number}"))
            assert await client.decided_id() == f"t{number}"
            await asyncio.sleep(0.2)

        assert await client.is_closed()
    assert time.monotonic() - started > 2


async def test_half_closed_connection_still_receives_its_response(server: InProcessServer) -> None:
    async with Connection(server) as client:
        await client.send(server.request("half"))
        client.writer.write_eof()
        status, head, _ = await client.response()

        assert (status, "connection: close" in head) == (200, True)
        assert await client.is_closed()


async def test_connection_closed_amid_a_request_is_dropped(server: InProcessServer) -> None:
    async with Connection(server) as client:
        await client.send(server.request("cut")[:-5])
        client.writer.write_eof()

        assert await client.is_closed()


@pytest.mark.parametrize("path", ["/v1/authorizations", "/v1/authorizations/t/void"])
async def test_client_still_sending_a_large_body_receives_413(
    server: InProcessServer, path: str
) -> None:
    head = server.request("long").partition(b"\r\ncontent-length")[0]
    head = head.replace(b"/v1/authorizations", path.encode(), 1)
    head += b"\r\ncontent-length: %d\r\n\r\n" % LONG

    def send_all() -> RawReply:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(head + b"x" * LONG)  # the whole body, before it reads
            return RawReply(b"".join(iter(lambda: client.recv(65_536), b"")))

    reply = await asyncio.to_thread(send_all)

    assert (reply.status, reply.problem) == (413, "body-too-large")
    assert "\r\nconnection: close" in reply.head


async def test_client_sending_endless_headers_receives_the_problem(server: InProcessServer) -> None:
    def send_all() -> RawReply:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * LONG)
            return RawReply(b"".join(iter(lambda: client.recv(65_536), b"")))

    assert (await asyncio.to_thread(send_all)).problem == "headers-too-large"


async def test_413_for_a_whole_body_closes_the_connection(
    server: InProcessServer,
) -> None:
    async with Connection(server) as client:
        await client.send(with_body(server, 17_000))
        status, head, _ = await client.response()

        assert status == 413
        assert head.count("connection: close") == 1
        assert await client.is_closed()


def with_body(server: InProcessServer, size: int) -> bytes:
    head = server.request("large").partition(b"\r\ncontent-length")[0]
    return head + b"\r\ncontent-length: %d\r\n\r\n%b" % (size, b"x" * size)


@pytest.mark.parametrize(
    ("data", "slug"),
    [
        (b"HELLO\r\n\r\n", "malformed-http"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 40_000, "headers-too-large"),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 101 + b"\r\n", "headers-too-large"),
    ],
)
async def test_refusal_below_routing_is_logged_with_its_request_id(
    server: InProcessServer, data: bytes, slug: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("authorizer").setLevel(logging.INFO)
    reply = await received_until_close(connect_and_send(server, data))
    await asyncio.sleep(0.1)  # log lines are buffered

    assert reply.problem == slug
    (request_id,) = re.findall("x-request-id: ([0-9a-f]{24})", reply.head)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = (line for line in lines if line.get("request_id") == request_id)
    assert (line["status"], line["route"]) == (reply.status, "unmatched")
    series = f'method="other",route="unmatched",status="{reply.status}"'
    assert series in server.app.metrics.text().decode()


async def test_connection_over_the_limit_receives_503_with_a_request_id(
    server: InProcessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authorizer.server.bounded_protocol.max_connections", lambda: 0)
    async with Connection(server) as client:
        status, head, _ = await client.response()

        assert status == 503
        assert re.search("x-request-id: [0-9a-f]{24}", head)
        assert "retry-after: 1" in head
        assert await client.is_closed()


async def test_lingering_connection_is_closed_after_its_timeout(
    server: InProcessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authorizer.server.lingering.LINGER_SECONDS", 0.05)
    async with Connection(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 40_000)
        await client.response()
        connections: set[BoundedProtocol] = server.uvicorn.server_state.connections  # type: ignore[assignment]
        assert len(connections) == 1
        await asyncio.sleep(0.2)

        assert not connections


@pytest.mark.soak
@pytest.mark.database
@pytest.mark.timeout(120)
def test_idle_connection_outlives_a_load_balancers_minute(
    database_url: str, tmp_path: Path
) -> None:
    with AuthorizerProcess(database_url, tmp_path) as api:
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
        for idle_seconds in (0, 61):
            time.sleep(idle_seconds)
            connection.request("GET", "/livez")
            # Raises RemoteDisconnected if the server has closed it.
            with connection.getresponse() as response:
                assert response.status == 200
                response.read()
        connection.close()
