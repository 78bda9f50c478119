"""Every route but the hot one: moves, views, callbacks, problem pages, health, figures."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar, assert_never

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from authorizer.api.bodies import amount_text, checked_id, decode, is_id
from authorizer.api.problems import ProblemError, invalid, unavailable
from authorizer.api.reference_page import PAGE_HEADERS, problem_page, reference_page
from authorizer.api.schemas import (
    CURSOR_SCHEMA,
    CallbackPage,
    CallbackReplayed,
    CaptureBody,
    IncrementBody,
    RefundBody,
    VoidBody,
)
from authorizer.api.views import callback_out, credit_body
from authorizer.decisions.route import check_parameters, json_body
from authorizer.dependencies import Dependencies
from authorizer.metrics import Metrics
from authorizer.server.replies import PROGRAM
from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
)
from cardops.rules.authorizations.decisions import StoreUnavailableError
from cardops.rules.callbacks.callbacks import CallbackState
from cardops.rules.programs.api_keys import Caller, Scope

MAX_PAGE: Final = 100
T = TypeVar("T")

router = APIRouter()


def dependencies_of(request: Request) -> Dependencies:
    """What the application is made of."""
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


PartsOf = Annotated[Dependencies, Depends(dependencies_of)]


async def in_time(dependencies: Dependencies, work: Awaitable[T]) -> T:
    """The result within the request's deadline. Raises ProblemError (503)."""
    try:
        async with asyncio.timeout(dependencies.limits.deadline_seconds):
            return await work
    except (TimeoutError, StoreUnavailableError, ConnectionError):
        raise unavailable() from None


def needs(scope: Scope) -> Callable[[Request, Dependencies], Awaitable[Caller]]:
    """A dependency: the caller, whose key has this scope."""

    async def enter(request: Request, dependencies: PartsOf) -> Caller:
        header = request.headers.get("authorization", "")
        caller = await in_time(dependencies, dependencies.authenticator.enter(header, scope))
        request.scope[PROGRAM] = caller.program
        return caller

    return enter


Writer = Annotated[Caller, Depends(needs(Scope.AUTHORIZATIONS_WRITE))]
Reader = Annotated[Caller, Depends(needs(Scope.AUTHORIZATIONS_READ))]
Admin = Annotated[Caller, Depends(needs(Scope.CALLBACKS_ADMIN))]


@router.get("/v1/authorizations/{transaction_id}")
async def find(transaction_id: str, caller: Reader, dependencies: PartsOf) -> Response:
    """The stored decision with its present state."""
    view = None
    if is_id(transaction_id):
        view = await in_time(
            dependencies, dependencies.authorizations.find(caller.program, transaction_id)
        )
    if view is None:
        raise not_found("authorization")
    return json_response(view.body())


@router.post("/v1/authorizations/{transaction_id}/capture")
async def capture(
    transaction_id: str, request: Request, caller: Writer, dependencies: PartsOf
) -> Response:
    """Take the whole hold or a part, once; the rest is released."""
    body = decode(await optional_body(request, dependencies), CaptureBody)
    amount = amount_text(body.amount)
    return await action(ActionKind.CAPTURE, transaction_id, request, caller, amount=amount)


@router.post("/v1/authorizations/{transaction_id}/void")
async def void(
    transaction_id: str, request: Request, caller: Writer, dependencies: PartsOf
) -> Response:
    """Release a hold; of an id not seen yet, make sure that it never spends."""
    decode(await optional_body(request, dependencies), VoidBody)
    checked_id("transaction_id", transaction_id)
    return await action(ActionKind.VOID, transaction_id, request, caller)


@router.post("/v1/authorizations/{transaction_id}/refund")
async def refund(
    transaction_id: str, request: Request, caller: Writer, dependencies: PartsOf
) -> Response:
    """Give captured money back, whole or in parts."""
    body = decode(await needed_body(request, dependencies), RefundBody)
    key, amount = checked_id("refund_id", body.refund_id), amount_text(body.amount) or ""
    return await action(ActionKind.REFUND, transaction_id, request, caller, amount=amount, key=key)


@router.post("/v1/authorizations/{transaction_id}/increment")
async def increment(
    transaction_id: str, request: Request, caller: Writer, dependencies: PartsOf
) -> Response:
    """Hold more, decided like a new question."""
    body = decode(await needed_body(request, dependencies), IncrementBody)
    key, amount = checked_id("increment_id", body.increment_id), amount_text(body.amount) or ""
    return await action(
        ActionKind.INCREMENT, transaction_id, request, caller, amount=amount, key=key
    )


@router.get("/v1/users/{user_id}/credit")
async def credit(user_id: str, caller: Reader, dependencies: PartsOf) -> Response:
    """The user's balances by currency."""
    accounts = []
    if is_id(user_id):
        found = await in_time(
            dependencies, dependencies.authorizations.accounts(caller.program, user_id)
        )
        accounts = list(found)
    if not accounts:
        raise not_found("user")
    return json_response(credit_body(user_id, accounts))


@router.get("/v1/callbacks")
async def list_callbacks(request: Request, caller: Admin, dependencies: PartsOf) -> Response:
    """Callbacks of the program, newest first."""
    query = request.query_params
    check_parameters(query, "status", "cursor", "limit")
    state, cursor, limit = query.get("status"), query.get("cursor"), query.get("limit", "50")
    if state is not None and state not in set(CallbackState):
        raise invalid("status", "must be pending, delivered or dead")
    if cursor is not None and not re.fullmatch(CURSOR_SCHEMA, cursor):
        raise invalid("cursor", "is not one that a page gave")
    if limit not in set(map(str, range(1, MAX_PAGE + 1))):
        raise invalid("limit", f"must be from 1 to {MAX_PAGE}")
    work = dependencies.outbox.list_callbacks(caller.program, state, cursor, int(limit))
    found, next_cursor = await in_time(dependencies, work)
    body = CallbackPage([callback_out(callback) for callback in found], next_cursor)
    return json_response(msgspec.json.encode(body))


@router.post("/v1/callbacks/{callback_id}/replay")
async def replay(callback_id: str, caller: Admin, dependencies: PartsOf) -> Response:
    """Owe it again, now."""
    is_known = is_id(callback_id) and await in_time(
        dependencies, dependencies.outbox.replay(caller.program, callback_id)
    )
    if not is_known:
        raise not_found("callback")
    return json_response(msgspec.json.encode(CallbackReplayed(callback_id)), 202)


@router.get("/problems/{slug}")
async def problem(slug: str) -> HTMLResponse:
    """What a problem's `type` means."""
    text = problem_page(slug)
    if text is None:
        raise not_found("problem")
    return HTMLResponse(text, headers=PAGE_HEADERS)


@router.get("/docs")
async def reference(request: Request) -> HTMLResponse:
    """The OpenAPI document for people."""
    return HTMLResponse(reference_page(request.app.openapi()), headers=PAGE_HEADERS)


@router.get("/livez")
async def livez() -> Response:
    """The process is there."""
    return json_response(b'{"status":"ok"}')


@router.get("/readyz")
async def readyz(dependencies: PartsOf) -> Response:
    """The database answers; nothing else counts."""
    if not await in_time(dependencies, dependencies.callers.is_ready()):
        raise unavailable("The database does not answer.")
    return json_response(b'{"status":"ok"}')


@router.get("/metrics")
async def figures(request: Request, dependencies: PartsOf) -> Response:
    """Prometheus."""
    metrics: Metrics = request.app.state.metrics
    metrics.busy(dependencies.batcher.waiting_count, dependencies.sessions_in_use())
    return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def action(
    kind: ActionKind,
    transaction_id: str,
    request: Request,
    caller: Caller,
    *,
    amount: str | None = None,
    key: str = "",
) -> Response:
    """Ask for one move and answer it. Raises ProblemError."""
    if not is_id(transaction_id):
        raise not_found("authorization")
    dependencies = dependencies_of(request)
    asked = AuthorizationAction(
        kind, caller.program, transaction_id, amount, key, caller.key_id, request.state.request_id
    )
    return move_response(await in_time(dependencies, dependencies.authorizations.apply(asked)))


def move_response(given: ActionResponse) -> Response:
    """The HTTP answer for what became of a move. Raises ProblemError."""
    match given.result:
        case ActionResult.DONE:
            return json_response(given.body)
        case ActionResult.REPLAYED:
            return json_response(given.body, headers={"idempotent-replayed": "true"})
        case ActionResult.UNKNOWN:
            raise not_found("authorization")
        case ActionResult.FORBIDDEN:
            state = str(given.state)
            raise ProblemError("invalid-state", f"The authorization is {state}.", state=state)
        case ActionResult.MISMATCHED:
            raise ProblemError("idempotency-mismatch", "This id was used with another amount.")
        case ActionResult.INVALID:
            raise invalid("amount", given.detail)
        case unreachable:
            assert_never(unreachable)


async def needed_body(request: Request, dependencies: Dependencies) -> bytes:
    """The JSON body, as long as it comes in time. Raises ProblemError (408, 413, 415)."""
    ends_at = asyncio.get_running_loop().time() + dependencies.limits.deadline_seconds
    return await json_body(request.scope, request.receive, ends_at)


async def optional_body(request: Request, dependencies: Dependencies) -> bytes:
    """The JSON body, `{}` where there is none."""
    if request.headers.get("content-length", "0") == "0" and not request.headers.get(
        "transfer-encoding"
    ):
        return b"{}"
    return await needed_body(request, dependencies)


def json_response(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A JSON body as it is."""
    headers = {"cache-control": "no-store", **(headers or {})}
    return Response(body, status, headers=headers, media_type="application/json")


def not_found(what: str) -> ProblemError:
    """The same for what is unknown and for what is another program's."""
    return ProblemError("not-found", f"There is no such {what} in this program.")
