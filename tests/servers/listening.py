"""A stream server on loopback that closes all its connections when it stops.

asyncio's own server leaves accepted connections open: a client that keeps them would leak a socket
into the next test. A socket that it accepts in the loop iteration in which it is closed is never
attached to a transport and never closed (CPython's `Server._attach`).
"""

import asyncio
import socket
from asyncio.trsock import TransportSocket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias, cast

from typing_extensions import override

Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
# An accepted socket has its transport after this many iterations of the event loop.
LOOP_ITERATIONS = 5


class _Connection(asyncio.StreamReaderProtocol):
    def __init__(self, serve: Serve, open_transports: set[asyncio.Transport]) -> None:
        super().__init__(asyncio.StreamReader(), serve)
        self._open_transports = open_transports

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._own_transport = cast("asyncio.Transport", transport)
        self._open_transports.add(self._own_transport)
        super().connection_made(transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._open_transports.discard(self._own_transport)


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """Listen on the yielded port; after the block all connections are closed."""
    open_transports: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(serve, open_transports), "127.0.0.1", 0)
    listener = server.sockets[0]
    try:
        yield listener.getsockname()[1]
    finally:
        await stop_accepting(listener)
        server.close()
        while open_transports:
            for transport in open_transports:
                transport.abort()
            await asyncio.sleep(0)


async def stop_accepting(listener: socket.socket | TransportSocket) -> None:
    """Stop accepting, and wait until every accepted socket has its transport."""
    asyncio.get_running_loop().remove_reader(listener)
    for _ in range(LOOP_ITERATIONS):
        await asyncio.sleep(0)
