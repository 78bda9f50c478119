"""The ASGI application: it answers the hot route itself and delegates the rest to FastAPI.

Belongs here: what every request gets: a request id, metrics, a log line, problems, draining.
"""

import secrets
import time
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import count
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException

from authorizer.api.documentation import ROUTERS, TITLE, VERSION
from authorizer.api.endpoints import response_from_reply
from authorizer.api.problems import ProblemError, unavailable
from authorizer.background import background_work
from authorizer.decisions import action_route
from authorizer.decisions import route as hot
from authorizer.decisions.action_route import action_path
from authorizer.dependencies import Dependencies, OpenDependencies
from authorizer.logs import LOGGER, RequestLog
from authorizer.metrics import METHODS, Metrics
from authorizer.server.draining import drain_on_signal
from authorizer.server.replies import (
    PROGRAM,
    ClientDisconnectedError,
    Receive,
    Reply,
    Scope,
    Send,
    header,
    send_reply,
)
from cardops.ports import Tracing
from cardops.rules.authorizations.traces import AnsweredRequest, DecidedBatch

# FastAPI's own traces carry paths, and so user ids; ours are in cardops.rules.authorizations.traces.
NO_TELEMETRY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}


# With a wrong clock nothing below it is answered; health and metrics are.
API_PREFIX: Final = "/v1/"
# nginx's status for a client that disconnected before its response; it is counted, never sent.
CLIENT_CLOSED_REQUEST: Final = 499
_INTERNAL_ERROR: Final = "The request failed because of an error in the authorizer."


class Application:
    """Answers requests with the dependencies that its lifespan opens."""

    def __init__(
        self, open_dependencies: OpenDependencies, *, runs_background: bool = True
    ) -> None:
        self.metrics = Metrics()
        self.is_draining = False
        self._open_dependencies = open_dependencies
        self._runs_background = runs_background
        self._dependencies: Dependencies | None = None
        self._tracing: Tracing | None = None
        self._request_log = RequestLog()
        # Unique among all processes without a random number for each request.
        prefix = secrets.token_hex(8)
        self._request_ids = (f"{prefix}{number:08x}" for number in count(1))
        self._fastapi = self._build()

    def drain(self) -> None:
        """Answer every new request 503 from now on; requests in progress are completed."""
        self.is_draining = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._fastapi(scope, receive, send)
            return
        started, request_id = time.perf_counter(), next(self._request_ids)
        # The hot route also answers for a process that serves nothing of the API.
        if scope["path"] == hot.PATH or self.is_draining or self._refuses(scope["path"]):
            route, status = hot.PATH, await self._authorize(scope, receive, send, request_id)
        else:
            route, status = await self._delegate(scope, receive, send, request_id)
        self._record(scope, route, status, started, request_id)

    def submit_authorization(
        self, scope: Scope, body: bytes, send: Callable[[Reply, str], None]
    ) -> bool:
        """Call `send` once with the reply to a complete POST of a request or an action, and its id.

        Returns False without calling it if the request needs a task: its key is not cached, or the
        process is stopping.
        """
        if self.is_draining or self._dependencies is None or self._clock_problem:
            return False
        started, request_id = time.perf_counter(), next(self._request_ids)
        action = None if scope["path"] == hot.PATH else action_path(scope["path"])
        route = hot.PATH if action is None else action.template

        def send_and_record(reply: Reply) -> None:
            send(reply, request_id)
            self._record(scope, route, reply.status, started, request_id)

        try:
            if action is not None:
                return action_route.submit(
                    scope,
                    action,
                    body,
                    dependencies=self._dependencies,
                    request_id=request_id,
                    send=send_and_record,
                )
            return hot.submit(
                scope,
                body,
                dependencies=self._dependencies,
                metrics=self.metrics,
                request_id=request_id,
                send=send_and_record,
            )
        except Exception:  # noqa: BLE001 - whatever failed, the caller gets a response
            send_and_record(_internal_error_reply(request_id))
            return True

    def record_refusal(self, status: int) -> str:
        """Count and log a request refused below routing; returns its request id."""
        request_id = next(self._request_ids)
        scope = {"method": "unknown", "headers": ()}
        self._record(scope, "unmatched", status, time.perf_counter(), request_id)
        return request_id

    @property
    def _clock_problem(self) -> str | None:
        return None if self._dependencies is None else self._dependencies.clock_check.problem

    def _refuses(self, path: str) -> bool:
        return bool(self._clock_problem) and path.startswith(API_PREFIX)

    def _record(
        self, scope: Scope, route: str, status: int, started: float, request_id: str
    ) -> None:
        method, seconds = scope["method"], time.perf_counter() - started
        self.metrics.count_request(method, route, status, seconds)
        self._request_log.write(request_id, method, route, status, seconds)
        if self._tracing is not None:
            known_method = method if method in METHODS else "_OTHER"
            parent, program = header(scope, b"traceparent"), scope.get(PROGRAM)
            self._tracing.emit(
                AnsweredRequest(known_method, route, status, seconds, request_id, program, parent)
            )

    def _record_batch(self, request_count: int, seconds: float) -> None:
        self.metrics.observe_batch(request_count, seconds)
        if self._tracing is not None:
            self._tracing.emit(DecidedBatch(request_count, seconds))

    async def _authorize(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> int:
        try:
            reply = await self._decide(scope, receive, request_id)
        except ProblemError as problem:
            reply = problem.reply()
        except ClientDisconnectedError:
            return CLIENT_CLOSED_REQUEST
        except Exception:  # noqa: BLE001 - whatever failed, the caller gets a response
            reply = _internal_error_reply(request_id)
        await send_reply(send, reply, request_id)
        return reply.status

    async def _decide(self, scope: Scope, receive: Receive, request_id: str) -> Reply:
        if self.is_draining or self._dependencies is None:
            raise unavailable("This process is stopping.")
        if self._clock_problem:
            raise unavailable(self._clock_problem)
        if scope["method"] != "POST":
            raise ProblemError(
                "method-not-allowed", "This path only accepts POST.", headers={"allow": "POST"}
            )
        return await hot.decide(
            scope,
            receive,
            dependencies=self._dependencies,
            metrics=self.metrics,
            request_id=request_id,
        )

    async def _delegate(
        self, scope: Scope, receive: Receive, send: Send, request_id: str
    ) -> tuple[str, int]:
        """Let FastAPI answer; returns the route's template and the status."""
        status = 500

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        scope.setdefault("state", {})["request_id"] = request_id
        # `_internal_error` has already logged and answered it; uvicorn would log it again.
        with suppress(Exception):
            await self._fastapi(scope, receive, send_with_id)
        return getattr(scope.get("route"), "path", "unmatched"), status

    def _build(self) -> FastAPI:
        app = FastAPI(
            title=TITLE,
            version=VERSION,
            lifespan=self._lifespan,
            redirect_slashes=False,
            # The document and its page are routes of ours: FastAPI's page loads scripts from a CDN.
            openapi_url=None,
            telemetry=NO_TELEMETRY,
        )
        for router in ROUTERS:
            app.include_router(router)
        app.state.metrics = self.metrics
        app.add_exception_handler(ProblemError, _problem)
        app.add_exception_handler(HTTPException, _http_problem)
        app.add_exception_handler(ClientDisconnectedError, _client_disconnected)
        app.add_exception_handler(Exception, _internal_error)
        return app

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            self._dependencies = await stack.enter_async_context(self._open_dependencies())
            app.state.dependencies = self._dependencies
            self._tracing = self._dependencies.tracing
            self._dependencies.batcher.decisions.on_batch = self._record_batch
            self._dependencies.clock_check.on_reading = self.metrics.set_clock_skew
            await self._dependencies.clock_check.check()
            stack.enter_context(drain_on_signal(self.drain))
            if self._runs_background:
                await stack.enter_async_context(background_work(self._dependencies, self.metrics))
            yield
            self.drain()
            await self._dependencies.batcher.drain()
            self._request_log.flush()


def _internal_error_reply(request_id: str) -> Reply:
    LOGGER.exception("a request failed", extra={"request_id": request_id})
    return ProblemError("internal-error", _INTERNAL_ERROR).reply()


async def _problem(request: Request, error: Exception) -> Response:
    problem = error if isinstance(error, ProblemError) else ProblemError("internal-error", "")
    return response_from_reply(problem.reply())


async def _http_problem(request: Request, error: Exception) -> Response:
    """Errors of FastAPI's router, as problems."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:  # noqa: PLR2004 - the status itself
        allow = (getattr(error, "headers", None) or {}).get("Allow", "GET")
        problem = ProblemError(
            "method-not-allowed", "This path does not accept this method.", headers={"allow": allow}
        )
    elif status == 404:  # noqa: PLR2004 - the status itself
        problem = ProblemError("not-found", "Unknown path.")
    else:
        problem = ProblemError("invalid-request", "The request is invalid.")
    return await _problem(request, problem)


async def _client_disconnected(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _internal_error(request: Request, error: Exception) -> Response:
    LOGGER.exception("a request failed", exc_info=error)
    return await _problem(request, ProblemError("internal-error", _INTERNAL_ERROR))
