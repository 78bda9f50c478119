"""A partner's endpoint on loopback: it remembers requests; a test decides how it responds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.servers.listening import listening

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

# Writes the response to one request; returns whether the connection stays open.
Responder: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[bool]]


@dataclass
class Partner:
    """`requests` holds (headers, body); `connections` counts the connections opened."""

    respond: Responder
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
                if not await self.respond(writer):
                    return
        # A handler that is still running when the test ends must not report an error.
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()


def responding(data: bytes = OK, *, keeps_open: bool = True, seconds: float = 0) -> Responder:
    async def respond(writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(seconds)
        writer.write(data)
        await writer.drain()
        return keeps_open

    return respond


def in_turn(responders: Sequence[Responder]) -> Responder:
    """One responder per request; the last one for all further requests."""
    left = list(responders)

    async def respond(writer: asyncio.StreamWriter) -> bool:
        return await (left.pop(0) if len(left) > 1 else left[0])(writer)

    return respond


@asynccontextmanager
async def a_partner(respond: Responder | None = None) -> AsyncIterator[Partner]:
    partner = Partner(respond or responding())
    async with listening(partner.serve) as partner.port:
        yield partner
