"""A place nobody may get to, every connect of this process, and a name server that lies."""

import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from authorizer.callbacks.addresses import Found, LookUp, look_up
from authorizer.callbacks.client import CallbackClient
from cardops.rules.callbacks.callbacks import Response


class Listener:
    """Where nobody may get to."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ends.is_set():
            try:
                self._socket.accept()[0].close()
            except TimeoutError:
                continue
            self.connections += 1

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        self._socket.close()


class Connects:
    """Every address that this process connects a socket to, while `is_on`."""

    def __init__(self) -> None:
        self.is_on = False
        self.addresses: list[Any] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_on and event == "socket.connect":
            self.addresses.append(arguments[1])


class Names:
    """A name server that says what a test wants, one answer a question, and remembers."""

    def __init__(self, *responses: list[str]) -> None:
        self.responses = list(responses)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, family: socket.AddressFamily) -> Found:
        self.asked.append(host)
        response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in response
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


async def post(client: CallbackClient, url: str, *, is_test: bool = False) -> Response:
    return await client.post(url, b"{}", {}, is_test=is_test)
