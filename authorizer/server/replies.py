"""Responses as bytes and as ASGI messages, request bodies read within their limit, ASGI types."""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeAlias

MAX_BODY_BYTES: Final = 16 * 1024
# The key of an ASGI scope under which the caller's program is stored.
PROGRAM: Final = "cardops.program"

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

JSON_HEADERS: Final[Headers] = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
)
REPLAYED_HEADERS: Final[Headers] = (*JSON_HEADERS, (b"idempotent-replayed", b"true"))


class ClientDisconnectedError(Exception):
    """The client disconnected before its request was complete."""


class Reply(NamedTuple):
    """A complete HTTP response."""

    status: int
    body: bytes
    headers: Headers = JSON_HEADERS


def header(scope: Scope, name: bytes) -> str:
    """The first header of this lower-case name; empty if it is missing."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return ""


async def read_body(receive: Receive) -> bytes | None:
    """The body, None if it is over `MAX_BODY_BYTES`. Raises ClientDisconnectedError."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body = bytes(message.get("body", b""))
        return body if len(body) <= MAX_BODY_BYTES else None
    pieces, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        pieces.append(bytes(message.get("body", b"")))
        size += len(pieces[-1])
        if size > MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return b"".join(pieces)
        message = await receive()


async def send_reply(send: Send, reply: Reply, request_id: str) -> None:
    """Send the reply as two ASGI messages."""
    headers = [
        *reply.headers,
        (b"content-length", str(len(reply.body)).encode()),
        (b"x-request-id", request_id.encode()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def reply_bytes(reply: Reply, request_id: str, *, closes: bool) -> bytes:
    """The response as HTTP/1.1. Header names and values are constants, so they are not validated."""
    head = _HEADS.get((reply.status, reply.headers)) or head_bytes(reply.status, reply.headers)
    close = b"connection: close\r\n" if closes else b""
    return b"%bcontent-length: %d\r\nx-request-id: %b\r\n%b\r\n%b" % (
        head, len(reply.body), request_id.encode(), close, reply.body,
    )  # fmt: skip


def head_bytes(status: int, headers: Headers) -> bytes:
    """Status line and headers."""
    lines = [b"%b: %b\r\n" % header_line for header_line in headers]
    return b"HTTP/1.1 %d %b\r\n%b" % (status, HTTPStatus(status).phrase.encode(), b"".join(lines))


_HEADS: Final = {
    (200, headers): head_bytes(200, headers) for headers in (JSON_HEADERS, REPLAYED_HEADERS)
}
