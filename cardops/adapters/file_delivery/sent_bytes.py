"""Whether what was written to a connection has arrived.

Belongs here: what the system still keeps for sending, which may be megabytes. On a slow line it takes longer
than a stalled peer would be waited for.
"""

import fcntl
import socket
import struct
import termios
import time
from typing import Final

_LOOK_SECONDS: Final = 0.02


def wait_until_taken(connection: socket.socket, patience: float) -> None:
    """Return once the peer has all of it. Raises TimeoutError where it takes nothing for so long."""
    waiting, changed_at = unsent_bytes(connection), time.monotonic()
    while waiting:
        time.sleep(_LOOK_SECONDS)
        left = unsent_bytes(connection)
        if left != waiting:
            waiting, changed_at = left, time.monotonic()
        elif time.monotonic() - changed_at > patience:
            raise TimeoutError("timed out")


def unsent_bytes(connection: socket.socket) -> int:
    """How much of what was written the peer has not confirmed; 0 where the system does not say."""
    try:
        found = fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    return int(struct.unpack("i", found)[0])
