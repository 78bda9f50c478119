"""SIGTERM: the batch in hand is answered, later requests get 503, then the server stops.

What is promised: a request that was sent before the signal is answered, be it read, or unread in
the kernel, or on a connection that was not accepted yet. Bytes that come after the end are nobody's.
"""

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from typing_extensions import override
from uvicorn import Server
from uvicorn.supervisors.multiprocess import Process

# More do not fit into a listening socket's queue.
MAX_ACCEPTED: Final = 4_096


@contextmanager
def drain_on_signal(drain: Callable[[], None]) -> Iterator[None]:
    """Call `drain` as a stop signal comes, before whoever else handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        drain()
        if callable(earlier):
            earlier(number, frame)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


class DrainingServer(Server):
    """uvicorn's server, which alone would reset the connections that wait to be accepted."""

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer who is there already, then end."""
        self.config.loaded_app.drain()
        # Nothing is awaited between the two: nobody else can come to wait meanwhile.
        waiting = list(accepted(sockets or []))
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for connection in waiting:
            with suppress(OSError):  # it went away
                await loop.connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg] # as uvicorn makes it
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


class DrainingProcess(Process):
    """One of several workers, which stops as a server alone does."""

    @property
    @override
    def server(self) -> Server:
        """Made in the worker."""
        if self._server is None:
            self._server = DrainingServer(config=self.config)
        return self._server


def accepted(sockets: Iterable[socket.socket]) -> Iterator[socket.socket]:
    """The connections that wait in the sockets' queues."""
    for listening in sockets:
        for _ in range(MAX_ACCEPTED):
            try:
                connection, _ = listening.accept()
            except OSError:  # nobody waits, or no file is left
                break
            connection.settimeout(0)
            yield connection
