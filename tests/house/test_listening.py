"""The tests' own server of streams leaves no connection to whatever test runs next."""

import asyncio
import gc
import socket
import warnings

import pytest

from tests.builders.listening import listening


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await reader.read()


# Some turns of the loop are between a connection's arrival and its first word.
@pytest.mark.parametrize("turns", range(8))
def test_whoever_came_shortly_before_its_end_is_ended_with_it(turns: int) -> None:
    async def come(client: socket.socket) -> None:
        async with listening(greet) as port:
            client.connect(("127.0.0.1", port))
            for _ in range(turns):
                await asyncio.sleep(0)

    with warnings.catch_warnings(record=True) as told, socket.socket() as client:
        warnings.simplefilter("always")
        asyncio.run(come(client))
        gc.collect()

    assert [str(one.message) for one in told] == []
