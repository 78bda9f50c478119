"""The server's protocol over real sockets: who is answered without a task, in order, and when not."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from authorizer.server import bounded_protocol
from tests.servers.in_process_authorizer import Connection, Served, serving


async def test_a_whole_question_needs_no_task(served: Served) -> None:
    async with Connection(served) as client:
        before = served.app.submitted_count
        await client.send(served.request("whole"))

        assert await client.name() == "whole"
        assert served.app.submitted_count == before + 1


async def test_a_question_in_pieces_is_answered_the_same_and_the_next_one_too(
    served: Served,
) -> None:
    async with Connection(served) as client:
        asked = served.request("pieces")
        for piece in (asked[:20], asked[20:-10], asked[-10:]):
            await client.send(piece)
            await asyncio.sleep(0.02)
        assert await client.name() == "pieces"

        await client.send(served.request("next"))
        assert await client.name() == "next"


async def test_pipelined_questions_are_answered_in_their_order(served: Served) -> None:
    async with Connection(served) as client:
        get = b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"
        await client.send(served.request("one") + get + served.request("two") + get)

        assert await client.name() == "one"
        assert (await client.response())[0] == 200
        assert await client.name() == "two"
        assert (await client.response())[0] == 200


@pytest.mark.parametrize(("headers", "version"), [(("connection: close",), "1.1"), ((), "1.0")])
async def test_who_wants_no_more_has_the_connection_closed(
    served: Served, headers: tuple[str, ...], version: str
) -> None:
    async with Connection(served) as client:
        await client.send(served.request("last", *headers, version=version))
        _, head, _ = await client.response()

        assert "connection: close" in head
        assert await client.is_closed()


async def test_who_asks_first_whether_to_send_is_told_to(served: Served) -> None:
    async with Connection(served) as client:
        head, _, body = served.request("expected", "expect: 100-continue").partition(b"\r\n\r\n")
        await client.send(head + b"\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(body)

        assert await client.name() == "expected"


async def test_who_hangs_up_early_is_decided_all_the_same_and_told_when_it_asks_again(
    served: Served,
) -> None:
    async with Connection(served) as client:
        await client.send(served.request("gone"))
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)

    async with Connection(served) as client:
        await client.send(served.request("gone"))
        status, head, _ = await client.response()

    assert status == 200
    assert "idempotent-replayed: true" in head


async def test_a_stopping_server_answers_what_it_has_and_refuses_what_comes(
    served: Served,
) -> None:
    async with Connection(served) as early, Connection(served) as late:
        await early.send(served.request("early"))
        await asyncio.sleep(0.02)
        served.app.drain()
        await late.send(served.request("late"))

        assert await early.name() == "early"
        assert (await late.response())[0] == 503


async def test_what_is_wrong_is_a_problem_with_the_requests_id(served: Served) -> None:
    async with Connection(served) as client:
        await client.send(served.request("wrong", "content-encoding: gzip"))
        status, head, body = await client.response()

    assert status == 415
    assert "x-request-id: " in head
    assert json.loads(body)["type"] == "/problems/unsupported-media-type"


async def test_who_dawdles_over_headers_or_says_nothing_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded_protocol, "TIMEOUT_SECONDS", 0.5)
    async with serving() as served, AsyncExitStack() as stack:
        made = [await stack.enter_async_context(Connection(served)) for _ in range(32)]
        slow, silent = made[:16], made[16:]
        for connection in slow:
            await connection.send(b"GET /livez HTTP/1.1\r\nhost: a\r\n")
        await asyncio.sleep(0.1)
        async with Connection(served) as other:
            await other.send(served.request("meanwhile"))
            assert await other.name() == "meanwhile"

        assert {(await connection.response())[0] for connection in slow} == {408}
        assert all([await connection.is_closed() for connection in [*slow, *silent]])
