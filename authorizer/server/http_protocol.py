"""The HTTP server's protocol: questions that came whole are answered without a task of their own.

Everything else is uvicorn's. What is used of it beyond its documented interface stands here
alone, and tests/authorizer/server/test_http_protocol.py watches it.
"""

import asyncio
from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from authorizer.decisions import route as hot
from authorizer.server.bounded_protocol import BoundedProtocol
from authorizer.server.lingering import has_unread
from authorizer.server.replies import Reply, reply_bytes

# What a client sent before it could know that this process stops arrives within this.
GRACE_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 0.01
_SAYS_CLOSE: Final = (b"connection", b"close")


class HttpProtocol(BoundedProtocol):
    """One connection."""

    _held: RequestResponseCycle | None = None
    _held_app: Any = None

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Called when a request's turn has come; its body may still be on its way."""
        if not _is_authorization_request(cycle) or self.flow.write_paused:
            self._start_task(cycle, app)
        elif cycle.more_body:
            self._held, self._held_app = cycle, app
        else:
            self._take(cycle, app)

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._held is not None:
            # It did not come whole: what has to be waited for is waited for by a task.
            cycle, self._held = self._held, None
            self._start_task(cycle, self._held_app)

    @override
    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._held is not None and not self._held.more_body:
            cycle, self._held = self._held, None
            self._take(cycle, self._held_app)

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        if self.app.is_draining:  # whoever asks all connections to end may not have seen this one
            self.shutdown()

    @override
    def shutdown(self) -> None:
        """The end, a moment later: a request may be on the wire already."""
        self.loop.call_later(GRACE_SECONDS, self._shut_down)

    @override
    def timeout_keep_alive_handler(self) -> None:
        if not has_unread(self.transport):
            super().timeout_keep_alive_handler()

    def _shut_down(self) -> None:
        if has_unread(self.transport):
            self.loop.call_later(LOOK_SECONDS, self._shut_down)
        else:
            super().shutdown()

    def _start_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        async def last_answer(scope: Any, receive: Any, send: Any) -> None:
            if self._is_last():
                cycle.keep_alive = False
            await app(scope, receive, send)

        super()._start_asgi_task(cycle, last_answer if app.is_draining else app)

    def _take(self, cycle: RequestResponseCycle, app: Any) -> None:
        def send(reply: Reply, request_id: str) -> None:
            self._send(cycle, reply, request_id)

        if not app.take(cycle.scope, bytes(cycle.body), send):
            self._start_task(cycle, app)

    def _send(self, cycle: RequestResponseCycle, reply: Reply, request_id: str) -> None:
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if cycle.disconnected or self.transport.is_closing():
            return
        says_close = _SAYS_CLOSE in reply.headers
        closes = says_close or not cycle.keep_alive or (self.app.is_draining and self._is_last())
        self.transport.write(reply_bytes(reply, request_id, closes=closes and not says_close))
        if closes:
            self.transport.close()
        self.on_response_complete()

    def _is_last(self) -> bool:
        """Whether the client has asked nothing else yet: it is told to ask elsewhere."""
        return not self.pipeline and not has_unread(self.transport)


def _is_authorization_request(cycle: RequestResponseCycle) -> bool:
    scope = cycle.scope
    return (
        scope["path"] == hot.PATH
        and scope["method"] == "POST"
        and not cycle.waiting_for_100_continue
    )
