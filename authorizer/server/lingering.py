"""Lingering close: a client that is still sending also receives the last response.

Closing a socket with unread bytes resets the connection, and the reset may destroy the response
before the client has read it. So the server first closes only its sending side, and discards what
the client still sends until the client closes too (RFC 9112, section 9.6).
"""

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from typing import Any, Final

# Enough for a client to read its response; more would let it hold the connection.
LINGER_SECONDS: Final = 2.0


class LingeringTransport:
    """A transport whose `close` lingers while the client is sending a request."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        *,
        is_sending: Callable[[], bool],
        on_close: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._is_sending = is_sending
        self._on_close = on_close
        self._is_lingering = False
        self._close_timer: asyncio.TimerHandle | None = None
        # Bound directly: another call for every response would be measurable.
        self.write = transport.write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether no more responses can be sent on this connection."""
        return self._is_lingering or self._transport.is_closing()

    def close(self) -> None:
        """Close immediately if the client is not sending, else once it closes or after `LINGER_SECONDS`."""
        if self._transport.is_closing():
            if self._close_timer is not None:
                self._close_timer.cancel()
        elif not (self._is_lingering or self._is_sending() or has_unread(self._transport)):
            self._transport.close()
        elif not self._is_lingering:
            self._is_lingering = True
            self._on_close()
            self._transport.resume_reading()
            self._transport.write_eof()
            self._close_timer = self._loop.call_later(LINGER_SECONDS, self._transport.close)


def has_unread(transport: asyncio.BaseTransport) -> bool:
    """Whether the kernel has received bytes of this connection that are still unread."""
    unread_count = bytearray(4)
    try:
        fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.FIONREAD, unread_count)
    except (AttributeError, OSError, ValueError):
        return False  # the socket is closed
    return int.from_bytes(unread_count, sys.byteorder) > 0
