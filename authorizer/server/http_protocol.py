"""The HTTP server's protocol: authorization requests and actions received in one piece need no task.

Belongs here and in bounded_protocol: every use of uvicorn's protocol beyond its documented interface. tests/authorizer/server/test_uvicorn_internals.py fails when uvicorn changes it.
"""

import asyncio
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from authorizer.decisions import route as hot
from authorizer.decisions.action_route import action_path
from authorizer.server.bounded_protocol import BoundedProtocol
from authorizer.server.known_heads import KnownHead, KnownHeads
from authorizer.server.lingering import has_unread
from authorizer.server.replies import PROGRAM, Reply, reply_bytes

# A request that the client sent before it saw the shutdown arrives within this time.
GRACE_SECONDS: Final = 0.1
UNREAD_CHECK_SECONDS: Final = 0.01
_CLOSE_HEADER: Final = (b"connection", b"close")


class HttpProtocol(BoundedProtocol):
    """One connection of a client."""

    # A request whose body is incomplete, and the application that will answer it.
    _waiting_cycle: RequestResponseCycle | None = None
    _waiting_app: Any = None
    _known_heads: KnownHeads

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Called by uvicorn when a request is next to be answered; its body may be incomplete."""
        if not _is_authorization_request(cycle) or self.flow.write_paused:
            self._start_task(cycle, app)
        elif cycle.more_body:
            self._waiting_cycle, self._waiting_app = cycle, app
        else:
            self._submit(cycle, app)

    @override
    def data_received(self, data: bytes) -> None:
        known = self._known_heads.find(data)
        if known is not None and self._may_skip_parsing():
            self._repeat(known, data)
            return
        completed, is_new = self._completed, self._completed == self._started
        super().data_received(data)
        is_one = is_new and self._completed == self._started == completed + 1
        if is_one and not self._is_refusing:  # a refused request has no cycle, or an earlier one's
            self._remember_head(data)
        if self._waiting_cycle is not None:
            # The body was not in the same piece: a task waits for the rest.
            cycle, self._waiting_cycle = self._waiting_cycle, None
            self._start_task(cycle, self._waiting_app)

    @override
    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._waiting_cycle is not None and not self._waiting_cycle.more_body:
            cycle, self._waiting_cycle = self._waiting_cycle, None
            self._submit(cycle, self._waiting_app)

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        self._known_heads = KnownHeads()
        super().connection_made(transport)
        if self.app.is_draining:  # accepted after the server shut down its connections
            self.shutdown()

    @override
    def shutdown(self) -> None:
        """Close after `GRACE_SECONDS`: a request may be in transit."""
        self.loop.call_later(GRACE_SECONDS, self._shut_down)

    @override
    def timeout_keep_alive_handler(self) -> None:
        if not has_unread(self.transport):
            super().timeout_keep_alive_handler()

    def _shut_down(self) -> None:
        if has_unread(self.transport):
            self.loop.call_later(UNREAD_CHECK_SECONDS, self._shut_down)
        else:
            super().shutdown()

    def _may_skip_parsing(self) -> bool:
        """Whether the next bytes begin a request, and the last one was answered without a task."""
        if self._answered != self._started:  # guard: between-requests
            return False
        return not self._is_refusing and not self.flow.write_paused

    def _repeat(self, known: KnownHead, data: bytes) -> None:
        """Answer a request with a known head, in the place of the answered request before it."""
        self._started += 1
        self._headers_complete = self._completed = self._started
        cycle = self.cycle
        known.scope.pop(PROGRAM, None)  # it is set once the key is found valid again
        cycle.scope, cycle.body = known.scope, bytearray(data[len(known.data) :])
        cycle.response_started = cycle.response_complete = False
        self._submit(cycle, self.app)

    def _remember_head(self, data: bytes) -> None:
        cycle, scope = self.cycle, self.cycle.scope
        # Only of callers with a valid key: others must not fill the memory.
        if cycle.keep_alive and PROGRAM in scope and scope["path"] == hot.PATH:
            self._known_heads.remember(data, len(cycle.body), scope)

    def _start_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        async def run_and_close(scope: Any, receive: Any, send: Any) -> None:
            if self._is_last():
                cycle.keep_alive = False
            await app(scope, receive, send)

        super()._start_asgi_task(cycle, run_and_close if app.is_draining else app)

    def _submit(self, cycle: RequestResponseCycle, app: Any) -> None:
        def send(reply: Reply, request_id: str) -> None:
            self._send(cycle, reply, request_id)

        if not app.submit_authorization(cycle.scope, bytes(cycle.body), send):
            self._start_task(cycle, app)

    def _send(self, cycle: RequestResponseCycle, reply: Reply, request_id: str) -> None:
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if cycle.disconnected or self.transport.is_closing():
            return
        has_close_header = _CLOSE_HEADER in reply.headers
        closes = (
            has_close_header or not cycle.keep_alive or (self.app.is_draining and self._is_last())
        )
        self.transport.write(reply_bytes(reply, request_id, closes=closes and not has_close_header))
        if closes:
            self.transport.close()
        if closes or self.pipeline:
            self.on_response_complete()
        else:
            self.record_answer()

    def _is_last(self) -> bool:
        """Whether no further request was received: the response then carries `connection: close`."""
        return not self.pipeline and not has_unread(self.transport)


def _is_authorization_request(cycle: RequestResponseCycle) -> bool:
    scope = cycle.scope
    return (
        (scope["path"] == hot.PATH or action_path(scope["path"]) is not None)
        and scope["method"] == "POST"
        and not cycle.waiting_for_100_continue
    )
