"""The tests' own servers leave no connection to whatever test runs next."""

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


# Some turns of the loop are between a connection's arrival and its first word.
@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("serving", [lambda: listening(greet), collecting], ids=["own", "aiohttp"])
def test_whoever_came_shortly_before_its_end_is_ended_with_it(
    serving: Callable[[], AbstractAsyncContextManager[int]], turns: int
) -> None:
    async def come(client: socket.socket) -> None:
        async with serving() as port:
            client.connect(("127.0.0.1", port))
            for _ in range(turns):
                await asyncio.sleep(0)

    with warnings.catch_warnings(record=True) as told, socket.socket() as client:
        warnings.simplefilter("always")
        asyncio.run(come(client))
        gc.collect()

    assert [str(one.message) for one in told] == []
