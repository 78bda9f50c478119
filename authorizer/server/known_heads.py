"""Heads that a connection has sent before: most clients send the same one with every request.

Belongs here: recognizing a request whose head (request line and headers) has the same bytes as an
earlier one of its connection. It means what it meant then, so it needs no parsing.
"""

from typing import Any, Final, NamedTuple

# Lengths of bodies, and so values of `content-length`, vary a little among a client's requests.
MAX_HEADS: Final = 4
# Bounds the memory of a connection.
MAX_BYTES: Final = 1_024
_END: Final = b"\r\n\r\n"


class KnownHead(NamedTuple):
    """The bytes before a body, and the scope that they were parsed to."""

    data: bytes
    scope: Any  # as uvicorn types it


class KnownHeads:
    """The last heads of one connection, by the length of their request, which includes the body."""

    def __init__(self) -> None:
        self._by_length: dict[int, KnownHead] = {}

    def find(self, data: bytes) -> KnownHead | None:
        """The head of these bytes; they are then exactly one request, since its length is equal too."""
        known = self._by_length.get(len(data))
        return known if known is not None and data.startswith(known.data) else None

    def remember(self, data: bytes, body_length: int, scope: Any) -> None:
        """Remember the head of a parsed request that was exactly these bytes."""
        head_length = len(data) - body_length
        # Where the first empty line is not the end of the head, the body came in chunks.
        if head_length > MAX_BYTES or data.find(_END) + len(_END) != head_length:
            return
        if len(self._by_length) >= MAX_HEADS and len(data) not in self._by_length:
            del self._by_length[next(iter(self._by_length))]
        self._by_length[len(data)] = KnownHead(data[:head_length], scope)
