"""HTTP/1.1 below the application: limits and timeouts; every refusal is answered with a problem.

Belongs here: checks made before a request can be routed. uvicorn alone answers malformed HTTP with
plain text, and keeps the connection of a client that never finishes its headers open for ever.
What each limit defends against is in docs/http-server.md.
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
# A request's headers, and the rest of a body after its response, must arrive within one to two
# periods of this length.
TIMEOUT_SECONDS: Final = 10.0
MAX_CONNECTIONS: Final = 8_192
# File descriptors reserved for database sessions, logs and callbacks.
RESERVED_FILES: Final = 256
_UPGRADE_HEADERS: Final = (b"upgrade", b"http2-settings")
# Up to this many bytes received, the headers cannot exceed their limit and need no counting.
_SMALL_REQUEST: Final = MAX_HEADER_BYTES


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client. Requests are numbered from 1 in order of arrival."""

    # Numbers of the last request that started, completed its headers, was completed.
    _started = 0
    _headers_complete = 0
    _completed = 0
    # `_started` when the timeouts were last checked.
    _last_checked = 0
    # Bytes received since the last headers were complete.
    _header_bytes = 0
    _is_refusing = False
    # The last request that was answered without a task, and when.
    _answered = 0
    _answered_at = 0.0
    _timeout_check: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        lingering = LingeringTransport(
            transport, self.loop, is_sending=self._is_receiving_request, on_close=self._stop_reading
        )
        super().connection_made(lingering)  # type: ignore[arg-type] # as far as uvicorn uses one
        if len(self.connections) > max_connections():
            self._refuse("unavailable", "Too many connections are open; retry later.")
            return
        self._timeout_check = self.loop.call_later(TIMEOUT_SECONDS, self._check_timeouts)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._timeout_check is not None:
            self._timeout_check.cancel()
        super().connection_lost(exc)

    @override
    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's own allows it
        """A client that closes its sending side still gets the response to its last request."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or self._is_refusing:
            return False
        cycle.keep_alive = False
        return True

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_refusing:
            return
        self._header_bytes += len(data)
        self._parse(data)
        if (
            self._headers_complete != self._started
            and self._header_bytes > MAX_HEADER_BYTES
            and not self._is_refusing
        ):
            self._refuse("headers-too-large", "The request headers are over 32 KiB.")

    def _parse(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        rest = memoryview(data)
        try:
            while rest and not self._is_refusing:
                rest = self._parse_until_upgrade(rest)
        except httptools.HttpParserError:
            self.send_400_response("")

    def _parse_until_upgrade(self, data: memoryview) -> memoryview:
        """Parse; returns the bytes after the headers of a request that offers an upgrade, else none."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade()
            return data[upgrade.args[0] :]
        return data[:0]

    def _ignore_upgrade(self) -> None:
        """Ignore an offer to upgrade (RFC 9110, section 7.8), which the parser treats as accepted.

        A new parser reads the same headers again without the offer.
        """
        if self._is_refusing:
            return
        if not self._offers_upgrade():  # CONNECT: what follows is a tunnel, not a request
            self._is_refusing = True
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
        self._started += 1

    @override
    def on_headers_complete(self) -> None:
        self._headers_complete = self._started
        fed, self._header_bytes = self._header_bytes, 0
        if self._is_refusing or self._offers_upgrade():
            return
        if len(self.headers) > MAX_HEADERS or (fed > _SMALL_REQUEST and self._has_long_headers()):
            self._refuse(
                "headers-too-large", "The request has over 100 headers, or over 32 KiB of them."
            )
            return
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        if not self._is_refusing:
            super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        if self._offers_upgrade():
            return
        self._completed = self._started
        if not self._is_refusing:
            super().on_message_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        """Answer malformed HTTP as a problem and close: where the next request begins is unknown."""
        self._refuse("malformed-http", "This is not well-formed HTTP/1.1.")

    def _has_long_headers(self) -> bool:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        return size > MAX_HEADER_BYTES

    def _check_timeouts(self) -> None:
        """Close a connection that sent nothing, or whose request was incomplete at the last check too."""
        if self.transport.is_closing():
            return
        is_late = self._started == self._last_checked and self._completed != self._started
        if is_late and self._headers_complete != self._started:
            self._refuse("request-timeout", "The request headers were not received in time.")
        elif not self._started or (is_late and self.cycle.response_complete):
            self.transport.close()
        else:
            if self._is_idle():
                self.timeout_keep_alive_handler()
            self._last_checked = self._started
            self._timeout_check = self.loop.call_later(TIMEOUT_SECONDS, self._check_timeouts)

    def record_answer(self) -> None:
        """Start waiting for the next request, without uvicorn's timer for each response.

        The periodic check closes an idle connection, at most `TIMEOUT_SECONDS` later than the timer
        would. Closing late is safe: a load balancer closes before us.
        """
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._answered, self._answered_at = self._started, self.loop.time()

    def _is_idle(self) -> bool:
        is_waiting = self._answered == self._started == self._completed
        return is_waiting and self.loop.time() - self._answered_at >= self.timeout_keep_alive

    def _is_receiving_request(self) -> bool:
        return self._completed != self._started

    def _stop_reading(self) -> None:
        self._is_refusing = True

    def _refuse(self, slug: str, detail: str) -> None:
        self._is_refusing = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body or cycle.response_started or self.pipeline:
                # A response to an earlier request is being sent; two must not be mixed.
                self.transport.close()
                return
            # The body of the current request is malformed: the application must not answer it.
            cycle.disconnected = True
            cycle.message_event.set()
        headers = {"retry-after": "1"} if slug == "unavailable" else {}
        reply = ProblemError(slug, detail, headers=headers).reply()
        self.transport.write(reply_bytes(reply, self.app.record_refusal(reply.status), closes=True))
        self.transport.close()


def without_upgrade(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The headers as parsed, without the offer to upgrade, and the empty line after them."""
    lines = []
    for name, value in headers:
        items = [item.strip() for item in value.split(b",")] if name == b"connection" else [value]
        items = [item for item in items if item.lower() not in _UPGRADE_HEADERS]
        if name not in _UPGRADE_HEADERS:
            lines.append(b"%b: %b\r\n" % (name, b", ".join(items)))
    return b"".join([*lines, b"\r\n"])


def max_connections() -> int:
    """The most clients that leave the process enough file descriptors for its own work."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if files < 0 else max(min(MAX_CONNECTIONS, files - RESERVED_FILES), 64)
