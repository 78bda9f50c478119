"""A partner's endpoint on this loop: accepts every callback, and remembers its id and body."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.servers.listening import listening


class Sink:
    """`bodies` by webhook-id, one for each attempt that arrived completely."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[bytes]] = defaultdict(list)
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = [line.partition(":") for line in head.split("\r\n")[1:]]
                headers = {name.lower(): value.strip() for name, _, value in lines}
                body = await reader.readexactly(int(headers["content-length"]))
                self.bodies[headers["webhook-id"]].append(body)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        writer.close()


@asynccontextmanager
async def open_sink() -> AsyncIterator[Sink]:
    sink = Sink()
    async with listening(sink.serve_connection) as sink.port:
        yield sink
