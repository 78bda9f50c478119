"""HTTP/1.1 below the application: what it refuses, it refuses as a problem, and nobody may dawdle.

Belongs here: what must hold before there is a request to route. uvicorn alone answers malformed
HTTP with plain text, and lets a client that never ends its headers keep its connection for ever.
"""

import asyncio
import resource
from collections.abc import Sequence
from typing import Final

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)

from authorizer.api.problems import ProblemError
from authorizer.server.lingering import LingeringTransport
from authorizer.server.replies import reply_bytes

MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 32 * 1024
# A request's headers, and what is left of a body after its answer, come within one to two of these.
PATIENCE_SECONDS: Final = 10.0
MAX_CONNECTIONS: Final = 8_192
# Files that the process needs beside its clients: sessions, logs, callbacks under way.
KEPT_FILES: Final = 256
_OFFERS: Final = (b"upgrade", b"http2-settings")
# Up to this much came in one piece, its headers cannot be too long.
_ONE_PIECE: Final = MAX_HEADER_BYTES


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client."""

    _begun = 0
    _headed = 0
    _ended = 0
    _seen = 0
    _fed = 0
    _is_over = False
    _watch: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        lingering = LingeringTransport(
            transport, self.loop, is_sending=self._is_amid_request, on_end=self._end
        )
        super().connection_made(lingering)  # type: ignore[arg-type] # as far as uvicorn uses one
        if len(self.connections) > most_connections():
            self._refuse("unavailable", "Too many connections are open; ask again.")
            return
        self._watch = self.loop.call_later(PATIENCE_SECONDS, self._look)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    @override
    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's own allows it
        """Who has nothing more to ask may still wait for its answer, the connection's last."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or self._is_over:
            return False
        cycle.keep_alive = False
        return True

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._fed += len(data)
        self._parse(data)
        if self._headed != self._begun and self._fed > MAX_HEADER_BYTES and not self._is_over:
            self._refuse("headers-too-large", "The request's headers are over 32 KiB.")

    def _parse(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        rest = memoryview(data)
        try:
            while rest and not self._is_over:
                rest = self._parse_to_an_offer(rest)
        except httptools.HttpParserError:
            self.send_400_response("")

    def _parse_to_an_offer(self, data: memoryview) -> memoryview:
        """What is left after the headers of a request that offers to leave HTTP/1.1; else nothing."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay_with_http()
            return data[upgrade.args[0] :]
        return data[:0]

    def _stay_with_http(self) -> None:
        """An offer to leave HTTP/1.1 is passed over (RFC 9110, 7.8); the parser takes it for accepted.

        So the same headers are read once more by a new one, without the offer.
        """
        if self._is_over:
            return
        if not self._offers_upgrade():  # CONNECT: what follows it is no request
            self._is_over = True
            self.cycle.keep_alive = False
            return
        version = self.parser.get_http_version()
        line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version.encode())
        head = line + without_upgrade(self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self.parser.feed_data(head)

    def _offers_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun += 1

    @override
    def on_headers_complete(self) -> None:
        self._headed = self._begun
        fed, self._fed = self._fed, 0
        if self._is_over or self._offers_upgrade():
            return
        if len(self.headers) > MAX_HEADERS or (fed > _ONE_PIECE and self._has_long_headers()):
            self._refuse(
                "headers-too-large", "The request has over 100 headers, or 32 KiB of them."
            )
            return
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        if not self._is_over:
            super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        if self._offers_upgrade():
            return
        self._ended = self._begun
        if not self._is_over:
            super().on_message_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        """What is no HTTP: a problem; the connection ends, since nobody knows what comes next."""
        self._refuse("malformed-http", "This is not well-formed HTTP/1.1.")

    def _has_long_headers(self) -> bool:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > MAX_HEADER_BYTES

    def _look(self) -> None:
        """Ends a connection on which no request began, or the same one is still not whole."""
        if self.transport.is_closing():
            return
        is_late = self._begun == self._seen and self._ended != self._begun
        if is_late and self._headed != self._begun:
            self._refuse("request-timeout", "The request's headers did not come in time.")
        elif not self._begun or (is_late and self.cycle.response_complete):
            self.transport.close()
        else:
            self._seen = self._begun
            self._watch = self.loop.call_later(PATIENCE_SECONDS, self._look)

    def _is_amid_request(self) -> bool:
        return self._ended != self._begun

    def _end(self) -> None:
        self._is_over = True

    def _refuse(self, slug: str, detail: str) -> None:
        self._is_over = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body or cycle.response_started or self.pipeline:
                # An answer to an earlier request is on its way; two must not be mixed.
                self.transport.close()
                return
            # It is the body of this very request that is broken: the application may forget it.
            cycle.disconnected = True
            cycle.message_event.set()
        headers = {"retry-after": "1"} if slug == "unavailable" else {}
        reply = ProblemError(slug, detail, headers=headers).reply()
        self.transport.write(reply_bytes(reply, self.app.refused(reply.status), closes=True))
        self.transport.close()


def without_upgrade(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Headers as they were parsed, but for the offer to leave HTTP/1.1; and their end."""
    lines = []
    for name, value in headers:
        words = [word.strip() for word in value.split(b",")] if name == b"connection" else [value]
        kept = [word for word in words if word.lower() not in _OFFERS]
        if name not in _OFFERS:
            lines.append(b"%b: %b\r\n" % (name, b", ".join(kept)))
    return b"".join([*lines, b"\r\n"])


def most_connections() -> int:
    """As many clients as leave the process the files it needs for its own work."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files < 0 else max(min(MAX_CONNECTIONS, files - KEPT_FILES), 64)
