"""Raw ASGI: reading a bounded body, sending an answer. Types of that protocol."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

MAX_BODY_BYTES: Final = 16 * 1024

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON_HEADERS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
REPLAYED_HEADERS: Final = (*JSON_HEADERS, (b"idempotent-replayed", b"true"))


class ClientGoneError(Exception):
    """The client hung up before its request was whole."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: list(JSON_HEADERS))


def header(scope: Scope, name: bytes) -> str:
    """The first header of that lower-case name, or nothing."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return ""


async def read_body(receive: Receive) -> bytes | None:
    """The body, or None where it is over its limit. Raises ClientGoneError."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body = bytes(message.get("body", b""))
        return body if len(body) <= MAX_BODY_BYTES else None
    parts, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        parts.append(bytes(message.get("body", b"")))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


async def send_reply(send: Send, reply: Reply, request_id: str) -> None:
    """Send it whole."""
    headers = [
        *reply.headers,
        (b"content-length", str(len(reply.body)).encode()),
        (b"x-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
