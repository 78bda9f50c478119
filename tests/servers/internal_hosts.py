"""A listener that must never be reached, every connect of this process, and a fake name server."""

import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cardops.adapters.callback_http.addresses import AddressEntries, LookUp, look_up
from cardops.adapters.callback_http.client import CallbackClient
from cardops.rules.callbacks.callbacks import CallbackResponse


class Listener:
    """A server on loopback that counts connections; callbacks must never reach it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._is_closing.is_set():
            try:
                self._socket.accept()[0].close()
            except TimeoutError:
                continue
            self.connections += 1

    def close(self) -> None:
        self._is_closing.set()
        self._thread.join()
        self._socket.close()


class Connects:
    """Every address that this process connects a socket to, while `is_on`."""

    def __init__(self) -> None:
        self.is_on = False
        self.addresses: list[Any] = []
        sys.addaudithook(self._record)

    def _record(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_on and event == "socket.connect":
            self.addresses.append(arguments[1])


class Names:
    """A name server: one list of addresses for each lookup, the last one repeated."""

    def __init__(self, *addresses_by_lookup: list[str]) -> None:
        self.addresses_by_lookup = list(addresses_by_lookup)
        self.lookups: list[str] = []

    def __call__(self, host: str, port: int, family: socket.AddressFamily) -> AddressEntries:
        self.lookups.append(host)
        addresses = (
            self.addresses_by_lookup.pop(0)
            if len(self.addresses_by_lookup) > 1
            else self.addresses_by_lookup[0]
        )
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]


@asynccontextmanager
async def a_client(
    names: LookUp = look_up, *, allow_loopback: bool = False
) -> AsyncIterator[CallbackClient]:
    client = CallbackClient(look_up=names, allow_loopback=allow_loopback)
    try:
        yield client
    finally:
        await client.close()


async def post(client: CallbackClient, url: str, *, is_test: bool = False) -> CallbackResponse:
    return await client.post(url, b"{}", {}, is_test=is_test)


CONNECTS: list[Connects] = []


@pytest.fixture(scope="module")
def the_listener() -> Iterator[Listener]:
    opened = Listener()
    yield opened
    time.sleep(0.2)  # a connection under way is counted too
    opened.close()
    assert opened.connections == 0


@pytest.fixture
def listener(the_listener: Listener) -> Iterator[Listener]:
    yield the_listener
    assert the_listener.connections == 0


@pytest.fixture
def connects() -> Iterator[list[Any]]:
    """Addresses connected to. An audit hook cannot be removed, so all tests share one."""
    if not CONNECTS:
        CONNECTS.append(Connects())
    recorder = CONNECTS[0]
    recorder.is_on, recorder.addresses = True, []
    yield recorder.addresses
    recorder.is_on = False
