"""Offers to upgrade from HTTP/1.1, as curl and Java send unasked, are ignored; no request is lost."""

import asyncio

import pytest

from tests.factories.authorizations import PROGRAM
from tests.servers.in_process_authorizer import Connection, InProcessServer

H2C = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQ")
WEBSOCKET = ("Connection: upgrade", "Upgrade: websocket", "sec-websocket-version: 13")
GET = b"GET /livez HTTP/1.1\r\nhost: a\r\n"


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET])
@pytest.mark.parametrize("cut", [None, 10, -100, -70, -20])
async def test_request_with_an_upgrade_offer_is_answered_whole_or_in_pieces(
    server: InProcessServer, offer: tuple[str, ...], cut: int | None
) -> None:
    async with Connection(server) as client:
        data = server.request("offered", *offer)
        await client.send(data[:cut])
        if cut is not None:
            await asyncio.sleep(0.05)
            await client.send(data[cut:])

        assert await client.decided_id() == "offered"
        await client.send(server.request("next"))
        assert await client.decided_id() == "next"


async def test_body_after_an_offer_is_never_parsed_as_a_request(server: InProcessServer) -> None:
    inner = server.request("inner")
    head = f"content-length: {len(inner)}"
    lines = server.request("outer", *H2C).partition(b"\r\n\r\n")[0].decode().split("\r\n")
    outer = "\r\n".join([*(line for line in lines if "content-length" not in line), head, "", ""])

    async with Connection(server) as client:
        await client.send(outer.encode())
        await asyncio.sleep(0.05)
        await client.send(inner + server.request("after"))

        assert (await client.response())[0] == 422
        assert await client.decided_id() == "after"
    assert await server.authorizations.find(PROGRAM, "inner") is None


async def test_chunked_body_after_an_offer_is_read(server: InProcessServer) -> None:
    head, _, body = server.request("chunked", *H2C).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if b"content-length" not in line]
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    async with Connection(server) as client:
        await client.send(b"\r\n".join([*lines, b"transfer-encoding: chunked", b"", chunk]))

        assert await client.decided_id() == "chunked"


async def test_requests_pipelined_around_an_offer_are_answered_in_order(
    server: InProcessServer,
) -> None:
    offer = "\r\n".join([*WEBSOCKET, "", ""]).encode()
    async with Connection(server) as client:
        await client.send(
            server.request("one") + GET + offer + server.request("two", *H2C) + GET + b"\r\n"
        )

        assert await client.decided_id() == "one"
        assert (await client.response())[0] == 200
        assert await client.decided_id() == "two"
        assert (await client.response())[0] == 200


async def test_thousands_of_offers_are_answered(server: InProcessServer) -> None:
    offer = GET + "\r\n".join([*WEBSOCKET, "", ""]).encode()
    async with Connection(server) as client:
        client.writer.write(offer * 3000)

        for _ in range(3000):
            assert (await client.response())[0] == 200


async def test_header_limit_applies_to_offers(server: InProcessServer) -> None:
    async with Connection(server) as client:
        await client.send(server.request("many", *H2C, *(f"x-{n}: 1" for n in range(100))))

        assert (await client.response())[0] == 431
        assert await client.is_closed()


async def test_connect_is_refused_and_nothing_after_it_is_read(server: InProcessServer) -> None:
    async with Connection(server) as client:
        await client.send(b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n" + server.request("hidden"))

        assert (await client.response())[0] in {400, 404, 405}
        assert await client.is_closed()
    assert await server.authorizations.find(PROGRAM, "hidden") is None
