"""A TCP proxy in front of PostgreSQL that cuts a connection at a chosen statement.

Belongs here: PostgreSQL's message framing from the client's side. Knows no table of Cardops.
"""

import asyncio
import re
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from tests.servers.listening import listening

CHUNK_BYTES = 65_536
READY_FOR_QUERY = b"Z"


class Where(StrEnum):
    """Where the connection is cut, seen from the statement."""

    BEFORE = "before it reaches the server"
    BEFORE_REPLY = "after the server did it, before its reply"


@dataclass
class Cut:
    """The next statement that has the pattern, in any connection, cuts that connection.

    `stays_down` cuts all others with it, and no connection succeeds until `is_down` is reset.
    """

    pattern: str
    where: Where
    stays_down: bool = False
    happened: asyncio.Event = field(default_factory=asyncio.Event)


class CuttingProxy:
    """`url` leads through it; `cut` arms one cut; `is_down` refuses new connections.

    While `responses` is cleared, the server's messages are held back.
    """

    def __init__(self, upstream_url: str) -> None:
        self._upstream_url = upstream_url
        self._cut: Cut | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.is_down = False
        self.responses = asyncio.Event()
        self.responses.set()
        self.port = 0

    @property
    def url(self) -> str:
        parts = urlsplit(self._upstream_url)
        user = parts.netloc.rpartition("@")[0]
        query = [(name, value) for name, value in parse_qsl(parts.query) if name != "host"]
        netloc = f"{user}@127.0.0.1:{self.port}"
        return urlunsplit((*parts[:1], netloc, parts.path, urlencode(query, quote_via=quote), ""))

    def cut(self, pattern: str, where: Where, *, stays_down: bool = False) -> Cut:
        self._cut = Cut(pattern, where, stays_down)
        return self._cut

    async def serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until either side closes or the connection is cut."""
        if self.is_down:
            writer.transport.abort()
            return
        server_reader, server_writer = await self._open_upstream()
        self._writers |= {writer, server_writer}
        link = Link(self, reader, writer, server_reader, server_writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await link.run()
        finally:
            for end in (writer, server_writer):
                self._writers.discard(end)
                end.transport.abort()

    def go_away(self) -> None:
        self.is_down = True
        self.end()

    def come_back(self) -> None:
        self.is_down = False

    def fall_silent(self) -> None:
        self.responses.clear()

    def speak_again(self) -> None:
        self.responses.set()

    def end(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def matched(self, statement: str) -> Cut | None:
        """The armed cut if this is its statement; it is then used up."""
        cut = self._cut
        if cut is None or not re.search(cut.pattern, statement):
            return None
        self._cut = None
        self.is_down = cut.stays_down
        return cut

    async def _open_upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self._upstream_url)
        folder = dict(parse_qsl(parts.query)).get("host", "")
        port = parts.port or 5432
        if parts.hostname or not folder:
            return await asyncio.open_connection(parts.hostname or "127.0.0.1", port)
        return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")


class Link:
    """One client's connection and the server's behind it."""

    def __init__(
        self,
        proxy: CuttingProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._server_reader, self._server_writer = server_reader, server_writer
        self._statements: dict[bytes, str] = {}
        self._cut: Cut | None = None
        self._is_done = asyncio.Event()

    async def run(self) -> None:
        tasks = [asyncio.create_task(self._up()), asyncio.create_task(self._down())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._cut is not None:
            self._cut.happened.set()
            if self._cut.stays_down:
                self._proxy.end()

    async def _up(self) -> None:
        await self._start()
        while True:
            kind, message = await framed(self._reader)
            for statement in self._runs(kind, message):
                cut = self._proxy.matched(statement)
                if cut is None:
                    continue
                self._cut = cut
                if cut.where is Where.BEFORE:
                    return
            self._server_writer.write(kind + struct.pack("!i", len(message) + 4) + message)
            await self._server_writer.drain()

    async def _start(self) -> None:
        """Start-up messages have a length and no kind; the response to a request for encryption is N."""
        while True:
            (length,) = struct.unpack("!i", await self._reader.readexactly(4))
            message = await self._reader.readexactly(length - 4)
            (code,) = struct.unpack("!i", message[:4])
            if code in {80877103, 80877104}:
                self._writer.write(b"N")
                continue
            self._server_writer.write(struct.pack("!i", length) + message)
            return

    async def _down(self) -> None:
        while True:
            kind, message = await framed(self._server_reader)
            await self._proxy.responses.wait()
            # Everything that the server sends after the cut statement is lost.
            if self._cut is not None:
                if kind == READY_FOR_QUERY:
                    return
                continue
            self._writer.write(kind + struct.pack("!i", len(message) + 4) + message)
            await self._writer.drain()

    def _runs(self, kind: bytes, message: bytes) -> Iterator[str]:
        """The statements that this message runs."""
        if kind == b"Q":
            yield message.rstrip(b"\0").decode()
        elif kind == b"P":
            name, text, *_ = message.split(b"\0")
            self._statements[name] = text.decode()
        elif kind == b"B":
            yield self._statements.get(message.split(b"\0")[1], "")


async def framed(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    kind = await reader.readexactly(1)
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return kind, await reader.readexactly(length - 4)


@asynccontextmanager
async def cutting_proxy(upstream_url: str) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(upstream_url)
    async with listening(proxy.serve_one) as proxy.port:
        try:
            yield proxy
        finally:
            proxy.go_away()
            await asyncio.sleep(0.05)  # its connections to the server end a little later
