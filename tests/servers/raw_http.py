"""HTTP as nobody's library would write it: bytes in, bytes out, over a socket of one's own."""

import json
import socket
from dataclasses import dataclass
from typing import Any


@dataclass
class RawReply:
    """What came back until the server closed, or was silent."""

    data: bytes

    @property
    def status(self) -> int:
        """0 where the connection ended without an answer."""
        return int(self.data.split(b" ", 2)[1]) if self.data else 0

    @property
    def head(self) -> str:
        return self.data.partition(b"\r\n\r\n")[0].decode("latin-1").lower()

    @property
    def json(self) -> Any:
        return json.loads(self.data.partition(b"\r\n\r\n")[2])

    @property
    def count(self) -> int:
        """How many answers there are."""
        return self.data.count(b"HTTP/1.1 ")

    @property
    def problem(self) -> str:
        assert "content-type: application/problem+json" in self.head
        assert self.json["status"] == self.status
        slug: str = self.json["type"].removeprefix("/problems/")
        return slug


def exchange(port: int, *parts: bytes, seconds: float = 5.0) -> RawReply:
    """Send the parts, read until the server closes or nothing comes for a while."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            while data := connection.recv(65_536):
                received += data
        except (TimeoutError, ConnectionError):
            pass
    return RawReply(received)


def request(
    method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A request whose connection ends with it."""
    lines = {"host": "a", "connection": "close", **(headers or {})}
    if body:
        lines.setdefault("content-length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body
