"""Raw ASGI: reading a bounded body, sending an answer. Types of that protocol."""

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeAlias

MAX_BODY_BYTES: Final = 16 * 1024
# Where a request's scope keeps the program that asks.
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


class ClientGoneError(Exception):
    """The client hung up before its request was whole."""


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes
    headers: Headers = JSON_HEADERS


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
    dependencies, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        dependencies.append(bytes(message.get("body", b"")))
        size += len(dependencies[-1])
        if size > MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return b"".join(dependencies)
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


def reply_bytes(reply: Reply, request_id: str, *, closes: bool) -> bytes:
    """The whole answer as HTTP/1.1 writes it. Names and values of headers are our own."""
    head = _HEADS.get((reply.status, reply.headers)) or head_bytes(reply.status, reply.headers)
    close = b"connection: close\r\n" if closes else b""
    return b"%bcontent-length: %d\r\nx-request-id: %b\r\n%b\r\n%b" % (
        head, len(reply.body), request_id.encode(), close, reply.body,
    )  # fmt: skip


def head_bytes(status: int, headers: Headers) -> bytes:
    """Status line and headers."""
    lines = [b"%b: %b\r\n" % one for one in headers]
    return b"HTTP/1.1 %d %b\r\n%b" % (status, HTTPStatus(status).phrase.encode(), b"".join(lines))


_HEADS: Final = {
    (200, headers): head_bytes(200, headers) for headers in (JSON_HEADERS, REPLAYED_HEADERS)
}
