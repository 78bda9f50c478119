"""Graceful shutdown: every request received before the stop signal is answered.

A request counts as received when its bytes are in the kernel: read already, unread on an open
connection, or on a connection that is not accepted yet. The current batch is decided, later requests
are answered 503, and then the server stops.
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

# The length of a listening socket's queue on Linux (net.core.somaxconn) is at most this by default.
MAX_ACCEPTED: Final = 4_096


@contextmanager
def drain_on_signal(drain: Callable[[], None]) -> Iterator[None]:
    """Call `drain` on SIGTERM, then the handler that was installed before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier_handler = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        drain()
        if callable(earlier_handler):
            earlier_handler(number, frame)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier_handler)


class DrainingServer(Server):
    """uvicorn's server, which alone would reset connections that are not accepted yet."""

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept and answer every waiting connection, then shut down."""
        self.config.loaded_app.drain()
        # There is no await between these two steps, so no connection can arrive in between.
        waiting = list(accept_waiting(sockets or []))
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for connection in waiting:
            with suppress(OSError):  # the client has disconnected
                await loop.connect_accepted_socket(self._new_protocol, connection)
        await super().shutdown(sockets)

    def _new_protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg] # as uvicorn calls it
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def accept_waiting(listeners: Iterable[socket.socket]) -> Iterator[socket.socket]:
    """Accept the connections that wait in the listeners' queues."""
    for listener in listeners:
        for _ in range(MAX_ACCEPTED):
            try:
                connection, _ = listener.accept()
            except OSError:  # the queue is empty, or the process has no file descriptor left
                break
            connection.settimeout(0)
            yield connection
