"""The tests' own servers leave no connection open for the next test."""

import asyncio
import gc
import socket
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from tests.servers.listening import listening
from tests.servers.otlp_collector import open_collector


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await reader.read()


@asynccontextmanager
async def collecting() -> AsyncIterator[int]:
    async with open_collector() as collector:
        yield collector.port


# The loop turns several times between a connection's arrival and its first byte.
@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("serving", [lambda: listening(greet), collecting], ids=["own", "aiohttp"])
def test_connection_made_shortly_before_the_servers_end_is_closed(
    serving: Callable[[], AbstractAsyncContextManager[int]], turns: int
) -> None:
    async def connect_and_end(client: socket.socket) -> None:
        async with serving() as port:
            client.connect(("127.0.0.1", port))
            for _ in range(turns):
                await asyncio.sleep(0)

    with warnings.catch_warnings(record=True) as caught, socket.socket() as client:
        warnings.simplefilter("always")
        asyncio.run(connect_and_end(client))
        gc.collect()

    assert [str(warning.message) for warning in caught] == []
