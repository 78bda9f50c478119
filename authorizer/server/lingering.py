"""A connection's end: who was still sending gets its last answer all the same.

A socket that is closed while bytes lie unread in it is reset, and a reset may reach the client
before it has read its answer. So the answer's side is closed first, and what still comes is read
and dropped until the client has closed too.
"""

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from typing import Any, Final

# As long as this for the client to read its answer; longer would let it hold the connection.
AFTERMATH_SECONDS: Final = 2.0


class LingeringTransport:
    """A transport whose `close` is gentle where its client is owed that."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        *,
        is_sending: Callable[[], bool],
        on_end: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._is_sending = is_sending
        self._on_end = on_end
        self._is_ending = False
        self._closing: asyncio.TimerHandle | None = None
        # Every answer goes through it: it is not to cost one call more.
        self.write = transport.write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more is to be answered here."""
        return self._is_ending or self._transport.is_closing()

    def close(self) -> None:
        """At once where the client has nothing to send; else once it has seen the end."""
        if self._transport.is_closing():
            if self._closing is not None:
                self._closing.cancel()
        elif not (self._is_ending or self._is_sending() or has_unread(self._transport)):
            self._transport.close()
        elif not self._is_ending:
            self._is_ending = True
            self._on_end()
            self._transport.resume_reading()
            self._transport.write_eof()
            self._closing = self._loop.call_later(AFTERMATH_SECONDS, self._transport.close)


def has_unread(transport: asyncio.BaseTransport) -> bool:
    """Whether bytes of this connection lie in the kernel that nobody has read."""
    found = bytearray(4)
    try:
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.FIONREAD, found)
    except (AttributeError, OSError, ValueError):
        return False  # it is closed
    return int.from_bytes(found, sys.byteorder) > 0
