"""A partner's endpoint on loopback: what it is asked is remembered, what it answers is a test's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.servers.listening import listening

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

# Writes an answer to one request; returns whether the connection is kept.
AuthorizationResponse: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[bool]]


@dataclass
class Partner:
    """`requests` holds (headers, body); `connections` counts what was opened."""

    response: AuthorizationResponse
    port: int = 0
    connections: int = 0
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode().split("\r\n")[1:-2]
                pairs = [line.partition(": ")[::2] for line in lines]
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append((headers, body))
                if not await self.response(writer):
                    return
        # Who still serves as the test ends is not to say so when nobody asks any more.
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()


def answering(said: bytes = OK, *, keeps: bool = True, seconds: float = 0) -> AuthorizationResponse:
    async def response(writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(seconds)
        writer.write(said)
        await writer.drain()
        return keeps

    return response


def in_turn(responses: Sequence[AuthorizationResponse]) -> AuthorizationResponse:
    """The last one again and again."""
    left = list(responses)

    async def response(writer: asyncio.StreamWriter) -> bool:
        return await (left.pop(0) if len(left) > 1 else left[0])(writer)

    return response


@asynccontextmanager
async def a_partner(response: AuthorizationResponse | None = None) -> AsyncIterator[Partner]:
    partner = Partner(response or answering())
    async with listening(partner.serve) as partner.port:
        yield partner
