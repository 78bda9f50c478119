"""Offers to leave HTTP/1.1, as curl and Java make them unasked: passed over, and nothing is lost."""

import asyncio

import pytest

from tests.factories.authorizations import PROGRAM
from tests.servers.in_process_authorizer import Connection, Served

H2C = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQ")
WEBSOCKET = ("Connection: upgrade", "Upgrade: websocket", "sec-websocket-version: 13")
GET = b"GET /livez HTTP/1.1\r\nhost: a\r\n"


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET])
@pytest.mark.parametrize("cut", [None, 10, -100, -70, -20])
async def test_a_question_with_an_offer_is_a_question_in_pieces_too(
    served: Served, offer: tuple[str, ...], cut: int | None
) -> None:
    async with Connection(served) as client:
        asked = served.request("offered", *offer)
        await client.send(asked[:cut])
        if cut is not None:
            await asyncio.sleep(0.05)
            await client.send(asked[cut:])

        assert await client.name() == "offered"
        await client.send(served.request("next"))
        assert await client.name() == "next"


async def test_a_body_after_an_offer_is_never_taken_for_a_request(served: Served) -> None:
    inner = served.request("inner")
    head = f"content-length: {len(inner)}"
    lines = served.request("outer", *H2C).partition(b"\r\n\r\n")[0].decode().split("\r\n")
    outer = "\r\n".join([*(one for one in lines if "content-length" not in one), head, "", ""])

    async with Connection(served) as client:
        await client.send(outer.encode())
        await asyncio.sleep(0.05)
        await client.send(inner + served.request("after"))

        assert (await client.response())[0] == 422
        assert await client.name() == "after"
    assert await served.authorizations.find(PROGRAM, "inner") is None


async def test_a_body_in_chunks_after_an_offer_is_read(served: Served) -> None:
    head, _, body = served.request("chunked", *H2C).partition(b"\r\n\r\n")
    lines = [one for one in head.split(b"\r\n") if b"content-length" not in one]
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    async with Connection(served) as client:
        await client.send(b"\r\n".join([*lines, b"transfer-encoding: chunked", b"", chunk]))

        assert await client.name() == "chunked"


async def test_what_was_pipelined_around_an_offer_is_answered_in_its_order(served: Served) -> None:
    offer = "\r\n".join([*WEBSOCKET, "", ""]).encode()
    async with Connection(served) as client:
        await client.send(
            served.request("one") + GET + offer + served.request("two", *H2C) + GET + b"\r\n"
        )

        assert await client.name() == "one"
        assert (await client.response())[0] == 200
        assert await client.name() == "two"
        assert (await client.response())[0] == 200


async def test_offers_without_end_cost_no_more_than_other_requests(served: Served) -> None:
    offer = GET + "\r\n".join([*WEBSOCKET, "", ""]).encode()
    async with Connection(served) as client:
        client.writer.write(offer * 3000)

        for _ in range(3000):
            assert (await client.response())[0] == 200


async def test_an_offer_does_not_lift_the_bounds_of_headers(served: Served) -> None:
    async with Connection(served) as client:
        await client.send(served.request("many", *H2C, *(f"x-{n}: 1" for n in range(100))))

        assert (await client.response())[0] == 431
        assert await client.is_closed()


async def test_a_tunnel_is_refused_and_nothing_after_it_is_read(served: Served) -> None:
    async with Connection(served) as client:
        await client.send(b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n" + served.request("hidden"))

        assert (await client.response())[0] in {400, 404, 405}
        assert await client.is_closed()
    assert await served.authorizations.find(PROGRAM, "hidden") is None
