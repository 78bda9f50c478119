"""Every route of the API. `POST /v1/authorizations` is answered before routing, see its function.

Belongs here: from an HTTP request to a call of a port, and from its result to an HTTP response.
"""

import asyncio
import re
from collections.abc import Awaitable
from typing import Annotated, Any, Final, TypeVar, assert_never

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from authorizer.api.bodies import amount_text, checked_id, decode, is_id
from authorizer.api.operations import (
    BODY_PROBLEMS,
    ID_PARAMETER,
    PROMETHEUS_TEXT,
    json_content,
    problems,
    query_parameters,
    request_body,
    success,
    text_content,
    with_links,
)
from authorizer.api.problems import ProblemError, invalid, unavailable
from authorizer.api.schemas import (
    CURSOR_SCHEMA,
    AuthorizationBody,
    AuthorizationOut,
    AuthorizationState,
    CallbackPage,
    CallbackReplayed,
    CaptureBody,
    Health,
    IncrementBody,
    RefundBody,
    UserCredit,
    VoidBody,
)
from authorizer.api.views import callback_out, credit_body
from authorizer.decisions import route as hot
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
ONE_AUTHORIZATION: Final = "/v1/authorizations/{transaction_id}"
T = TypeVar("T")

# Declares the key in the OpenAPI document; the key itself is checked by the Authenticator.
API_KEY: Final = HTTPBearer(
    scheme_name="key",
    bearerFormat="cpk_<test|live>_<id>_<secret>",
    description="A key of `cardops key create`.",
    auto_error=False,
)


def operation_id(route: APIRoute) -> str:
    """An operation is called after its function."""
    return route.name


router = APIRouter(default_response_class=Response, generate_unique_id_function=operation_id)


def dependencies_of(request: Request) -> Dependencies:
    """The application's parts."""
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


Parts = Annotated[Dependencies, Depends(dependencies_of)]
# Checked by our own code, which answers 404 where FastAPI would answer 422.
PathId = Annotated[str, Path(json_schema_extra=dict(ID_PARAMETER))]


async def in_time(dependencies: Dependencies, work: Awaitable[T]) -> T:
    """The result within the request's deadline. Raises ProblemError (503)."""
    try:
        async with asyncio.timeout(dependencies.limits.deadline_seconds):
            return await work
    except (TimeoutError, StoreUnavailableError, ConnectionError):
        raise unavailable() from None


def needs(scope: Scope) -> Any:
    """A FastAPI dependency: the caller, whose key has this scope."""

    async def enter(
        request: Request,
        dependencies: Parts,
        _declared: Annotated[object, Security(API_KEY, scopes=[scope.value])],
    ) -> Caller:
        header = request.headers.get("authorization", "")
        caller = await in_time(dependencies, dependencies.authenticator.enter(header, scope))
        request.scope[PROGRAM] = caller.program
        return caller

    return Depends(enter)


Writer = Annotated[Caller, needs(Scope.AUTHORIZATIONS_WRITE)]
Reader = Annotated[Caller, needs(Scope.AUTHORIZATIONS_READ)]
Admin = Annotated[Caller, needs(Scope.CALLBACKS_ADMIN)]


@router.post(
    hot.PATH,
    tags=["authorizations"],
    summary="Decide whether a user may spend",
    responses={
        200: with_links(success("The decision", json_content(AuthorizationOut), replays=True)),
        **problems(*BODY_PROBLEMS, may_mismatch=True),
    },
    openapi_extra={
        **request_body(
            AuthorizationBody,
            {
                "transaction_id": "txn_123",
                "user_id": "user_456",
                "amount": 25.00,
                "currency": "USD",
                "merchant": {"id": "m_1", "name": "Corner shop", "mcc": "5411", "country": "US"},
                "channel": "ecommerce",
                "metadata": {"basket": "b-7"},
            },
        ),
        **query_parameters({"dry_run": {"type": "boolean", "default": False}}),
    },
)
async def authorize(_caller: Writer) -> Response:
    """Spends or holds the amount if the user's credit covers it. `dry_run` decides and stores nothing."""
    # Declared for its schema alone: the application answers this path before it asks the router
    # (authorizer.decisions.route), because routing would cost more than the decision.
    raise NotImplementedError


@router.get(
    ONE_AUTHORIZATION,
    tags=["authorizations"],
    summary="The stored decision with its present state",
    responses={
        200: success("The authorization", json_content(AuthorizationState)),
        **problems(404),
    },
)
async def get_authorization(
    transaction_id: PathId, caller: Reader, dependencies: Parts
) -> Response:
    """The stored decision with its present state."""
    view = None
    if is_id(transaction_id):
        view = await in_time(
            dependencies, dependencies.authorizations.find(caller.program, transaction_id)
        )
    if view is None:
        raise not_found("authorization")
    return json_response(view.body())


@router.post(
    f"{ONE_AUTHORIZATION}/capture",
    tags=["authorizations"],
    summary="Capture the whole hold or a part of it, once",
    responses={
        200: success("The state after it", json_content(AuthorizationState), replays=True),
        **problems(404, 409, *BODY_PROBLEMS),
    },
    openapi_extra=request_body(CaptureBody, {"amount": 10.00}, is_required=False),
)
async def capture(
    transaction_id: PathId, request: Request, caller: Writer, dependencies: Parts
) -> Response:
    """Take the whole hold or a part, once; the rest is released."""
    body = decode(await optional_body(request, dependencies), CaptureBody)
    amount = amount_text(body.amount)
    return await action(ActionKind.CAPTURE, transaction_id, request, caller, amount=amount)


@router.post(
    f"{ONE_AUTHORIZATION}/void",
    tags=["authorizations"],
    summary="Release a hold, or make sure that an id never spends",
    responses={
        200: success("The state after it", json_content(AuthorizationState), replays=True),
        **problems(409, *BODY_PROBLEMS),
    },
    openapi_extra=request_body(VoidBody, {}, is_required=False),
)
async def void(
    transaction_id: PathId, request: Request, caller: Writer, dependencies: Parts
) -> Response:
    """Release a hold; of an id not seen yet, make sure that it never spends."""
    decode(await optional_body(request, dependencies), VoidBody)
    checked_id("transaction_id", transaction_id)
    return await action(ActionKind.VOID, transaction_id, request, caller)


@router.post(
    f"{ONE_AUTHORIZATION}/refund",
    tags=["authorizations"],
    summary="Refund a captured amount, whole or in parts",
    responses={
        200: success("The state after it", json_content(AuthorizationState), replays=True),
        **problems(404, 409, *BODY_PROBLEMS, may_mismatch=True),
    },
    openapi_extra=request_body(RefundBody, {"amount": 4.00, "refund_id": "refund_1"}),
)
async def refund(
    transaction_id: PathId, request: Request, caller: Writer, dependencies: Parts
) -> Response:
    """Give captured money back, whole or in parts."""
    body = decode(await needed_body(request, dependencies), RefundBody)
    key, amount = checked_id("refund_id", body.refund_id), amount_text(body.amount) or ""
    return await action(ActionKind.REFUND, transaction_id, request, caller, amount=amount, key=key)


@router.post(
    f"{ONE_AUTHORIZATION}/increment",
    tags=["authorizations"],
    summary="Increase a hold, decided like a new authorization",
    responses={
        200: success("The state after it", json_content(AuthorizationState), replays=True),
        **problems(404, 409, *BODY_PROBLEMS, may_mismatch=True),
    },
    openapi_extra=request_body(IncrementBody, {"amount": 5.00, "increment_id": "more_1"}),
)
async def increment(
    transaction_id: PathId, request: Request, caller: Writer, dependencies: Parts
) -> Response:
    """Hold more, decided like a new question."""
    body = decode(await needed_body(request, dependencies), IncrementBody)
    key, amount = checked_id("increment_id", body.increment_id), amount_text(body.amount) or ""
    return await action(
        ActionKind.INCREMENT, transaction_id, request, caller, amount=amount, key=key
    )


@router.get(
    "/v1/users/{user_id}/credit",
    tags=["users"],
    summary="A user's balances by currency",
    responses={200: success("The balances", json_content(UserCredit)), **problems(404)},
)
async def get_credit(user_id: PathId, caller: Reader, dependencies: Parts) -> Response:
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


@router.get(
    "/v1/callbacks",
    tags=["callbacks"],
    summary="Callbacks of the program, newest first",
    responses={200: success("A page", json_content(CallbackPage)), **problems(422)},
    openapi_extra=query_parameters(
        {
            "status": {"type": "string", "enum": list(CallbackState)},
            "cursor": {"type": "string", "pattern": CURSOR_SCHEMA},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 50},
        }
    ),
)
async def list_callbacks(request: Request, caller: Admin, dependencies: Parts) -> Response:
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


@router.post(
    "/v1/callbacks/{callback_id}/replay",
    tags=["callbacks"],
    summary="Send a callback again",
    status_code=202,
    responses={202: success("It is pending", json_content(CallbackReplayed)), **problems(404)},
)
async def replay_callback(callback_id: PathId, caller: Admin, dependencies: Parts) -> Response:
    """Makes the callback pending again, due now."""
    is_known = is_id(callback_id) and await in_time(
        dependencies, dependencies.outbox.replay(caller.program, callback_id)
    )
    if not is_known:
        raise not_found("callback")
    return json_response(msgspec.json.encode(CallbackReplayed(callback_id)), 202)


@router.get(
    "/livez",
    tags=["health"],
    summary="Whether the process runs",
    responses={200: success("It runs", json_content(Health)), **problems(needs_key=False)},
)
async def get_liveness() -> Response:
    """Answers as long as the process runs."""
    return json_response(b'{"status":"ok"}')


@router.get(
    "/readyz",
    tags=["health"],
    summary="Whether the database answers",
    responses={200: success("It answers", json_content(Health)), **problems(needs_key=False)},
)
async def get_readiness(dependencies: Parts) -> Response:
    """Depends on the database and on nothing else."""
    if not await in_time(dependencies, dependencies.callers.is_ready()):
        raise unavailable("The database does not answer.")
    return json_response(b'{"status":"ok"}')


@router.get(
    "/metrics",
    tags=["health"],
    summary="Metrics for Prometheus",
    responses={
        200: success("The metrics", text_content(PROMETHEUS_TEXT)),
        **problems(needs_key=False),
    },
)
async def get_metrics(request: Request, dependencies: Parts) -> Response:
    """Metrics of this process, or of all its workers together."""
    metrics: Metrics = request.app.state.metrics
    metrics.busy(dependencies.batcher.waiting_count, dependencies.sessions_in_use())
    return Response(metrics.text(), media_type=PROMETHEUS_TEXT)


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
