"""A server of streams on loopback whose connections all end with it.

asyncio's own server leaves open what it has accepted: a client that keeps its connections would be
an open socket in whatever test runs next. And whom it accepts in the turn of the loop in which it
is closed, it makes no connection for and closes never (CPython's `Server._attach`).
"""

import asyncio
import socket
from asyncio.trsock import TransportSocket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias, cast

from typing_extensions import override

Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
# What was accepted is a connection some turns of the loop later.
TURNS = 5


class _Connection(asyncio.StreamReaderProtocol):
    def __init__(self, serve: Serve, is_open: set[asyncio.Transport]) -> None:
        super().__init__(asyncio.StreamReader(), serve)
        self._is_open = is_open

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._mine = cast("asyncio.Transport", transport)
        self._is_open.add(self._mine)
        super().connection_made(transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._is_open.discard(self._mine)


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """The port it listens on; after the block none of its connections is open."""
    is_open: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(serve, is_open), "127.0.0.1", 0)
    listener = server.sockets[0]
    try:
        yield listener.getsockname()[1]
    finally:
        await stop_accepting(listener)
        server.close()
        while is_open:
            for one in is_open:
                one.abort()
            await asyncio.sleep(0)


async def stop_accepting(listener: socket.socket | TransportSocket) -> None:
    """After it whoever was accepted is a connection, and its server may be closed."""
    asyncio.get_running_loop().remove_reader(listener)
    for _ in range(TURNS):
        await asyncio.sleep(0)
