"""The server's protocol over real sockets: requests without a task, in order, and time limits."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from authorizer.server import bounded_protocol
from tests.servers.in_process_authorizer import Connection, InProcessServer, in_process_server


async def test_whole_request_needs_no_task(server: InProcessServer) -> None:
    async with Connection(server) as client:
        before = server.app.submitted_count
        await client.send(server.request("whole"))

        assert await client.decided_id() == "whole"
        assert server.app.submitted_count == before + 1


async def test_request_in_pieces_and_the_next_one_are_answered(
    server: InProcessServer,
) -> None:
    async with Connection(server) as client:
        data = server.request("pieces")
        for piece in (data[:20], data[20:-10], data[-10:]):
            await client.send(piece)
            await asyncio.sleep(0.02)
        assert await client.decided_id() == "pieces"

        await client.send(server.request("next"))
        assert await client.decided_id() == "next"


async def test_pipelined_requests_are_answered_in_order(server: InProcessServer) -> None:
    async with Connection(server) as client:
        get = b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"
        await client.send(server.request("one") + get + server.request("two") + get)

        assert await client.decided_id() == "one"
        assert (await client.response())[0] == 200
        assert await client.decided_id() == "two"
        assert (await client.response())[0] == 200


@pytest.mark.parametrize(("headers", "version"), [(("connection: close",), "1.1"), ((), "1.0")])
async def test_connection_closes_when_the_client_requests_it(
    server: InProcessServer, headers: tuple[str, ...], version: str
) -> None:
    async with Connection(server) as client:
        await client.send(server.request("last", *headers, version=version))
        _, head, _ = await client.response()

        assert "connection: close" in head
        assert await client.is_closed()


async def test_expect_100_continue_is_answered_before_the_body(server: InProcessServer) -> None:
    async with Connection(server) as client:
        head, _, body = server.request("expected", "expect: 100-continue").partition(b"\r\n\r\n")
        await client.send(head + b"\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(body)

        assert await client.decided_id() == "expected"


async def test_request_of_a_disconnected_client_is_decided_and_replayed(
    server: InProcessServer,
) -> None:
    async with Connection(server) as client:
        await client.send(server.request("gone"))
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)

    async with Connection(server) as client:
        await client.send(server.request("gone"))
        status, head, _ = await client.response()

    assert status == 200
    assert "idempotent-replayed: true" in head


async def test_draining_server_answers_current_and_refuses_new_requests(
    server: InProcessServer,
) -> None:
    async with Connection(server) as early, Connection(server) as late:
        await early.send(server.request("early"))
        await asyncio.sleep(0.02)
        server.app.drain()
        await late.send(server.request("late"))

        assert await early.decided_id() == "early"
        assert (await late.response())[0] == 503


async def test_invalid_request_gets_a_problem_with_a_request_id(server: InProcessServer) -> None:
    async with Connection(server) as client:
        await client.send(server.request("wrong", "content-encoding: gzip"))
        status, head, body = await client.response()

    assert status == 415
    assert "x-request-id: " in head
    assert json.loads(body)["type"] == "/problems/unsupported-media-type"


async def test_slow_and_silent_clients_are_disconnected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded_protocol, "TIMEOUT_SECONDS", 0.5)
    async with in_process_server() as server, AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(Connection(server)) for _ in range(32)]
        slow, silent = connections[:16], connections[16:]
        for connection in slow:
            await connection.send(b"GET /livez HTTP/1.1\r\nhost: a\r\n")
        await asyncio.sleep(0.1)
        async with Connection(server) as other:
            await other.send(server.request("meanwhile"))
            assert await other.decided_id() == "meanwhile"

        assert {(await connection.response())[0] for connection in slow} == {408}
        assert all([await connection.is_closed() for connection in [*slow, *silent]])
