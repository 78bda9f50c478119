"""The HTTP server's protocol: questions that came whole are answered without a task of their own.

Everything else is uvicorn's. What is used of it beyond its documented interface stands here
alone, and tests/authorizer/test_http_protocol.py watches it.
"""

from typing import Any, Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from authorizer import hot
from authorizer.bounded_protocol import BoundedProtocol
from authorizer.replies import Reply, reply_bytes

# What a client sent before it could know that this process stops is read within this.
LINGER_SECONDS: Final = 0.1


class HttpProtocol(BoundedProtocol):
    """One connection."""

    _held: RequestResponseCycle | None = None
    _held_app: Any = None

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Called when a request's turn has come; its body may still be on its way."""
        if not _is_question(cycle) or self.flow.write_paused:
            super()._start_asgi_task(cycle, app)
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
            super()._start_asgi_task(cycle, self._held_app)

    @override
    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._held is not None and not self._held.more_body:
            cycle, self._held = self._held, None
            self._take(cycle, self._held_app)

    @override
    def shutdown(self) -> None:
        """An idle connection is closed a moment later: a request may be on the wire already."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self.loop.call_later(LINGER_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def _take(self, cycle: RequestResponseCycle, app: Any) -> None:
        def send(reply: Reply, request_id: str) -> None:
            self._send(cycle, reply, request_id)

        if not app.take(cycle.scope, bytes(cycle.body), send):
            super()._start_asgi_task(cycle, app)

    def _send(self, cycle: RequestResponseCycle, reply: Reply, request_id: str) -> None:
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if cycle.disconnected or self.transport.is_closing():
            return
        closes = not cycle.keep_alive
        self.transport.write(reply_bytes(reply, request_id, closes=closes))
        if closes:
            self.transport.close()
        self.on_response_complete()


def _is_question(cycle: RequestResponseCycle) -> bool:
    scope = cycle.scope
    return (
        scope["path"] == hot.PATH
        and scope["method"] == "POST"
        and not cycle.waiting_for_100_continue
    )
