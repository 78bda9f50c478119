"""Raw HTTP over a socket, for requests that no HTTP library would send."""

import json
import socket
from dataclasses import dataclass
from typing import Any

from tests.factories.waiting import PATIENCE_SECONDS


@dataclass
class RawReply:
    """Everything received until the server closed the connection or the timeout."""

    data: bytes

    @property
    def status(self) -> int:
        """The first response's status; 0 if the connection ended without a response."""
        return int(self.data.split(b" ", 2)[1]) if self.data else 0

    @property
    def head(self) -> str:
        return self.data.partition(b"\r\n\r\n")[0].decode("latin-1").lower()

    @property
    def json(self) -> Any:
        return json.loads(self.data.partition(b"\r\n\r\n")[2])

    @property
    def count(self) -> int:
        """The number of responses."""
        return self.data.count(b"HTTP/1.1 ")

    @property
    def problem(self) -> str:
        assert "content-type: application/problem+json" in self.head
        assert self.json["status"] == self.status
        slug: str = self.json["type"].removeprefix("/problems/")
        return slug


def exchange(port: int, *parts: bytes, seconds: float = 5.0) -> RawReply:
    """Send the parts and read until the server closes, or sends nothing more for so many seconds."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            while data := connection.recv(65_536):
                received += data
                connection.settimeout(seconds)
        except (TimeoutError, ConnectionError):
            pass
    return RawReply(received)


def request(
    method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A request with `connection: close`."""
    lines = {"host": "a", "connection": "close", **(headers or {})}
    if body:
        lines.setdefault("content-length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body
