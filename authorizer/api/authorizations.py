"""Routes of authorizations: decide, look up, capture, void, refund, increment."""

import asyncio
from typing import Annotated, Final, assert_never

from fastapi import Request, Response, Security

from authorizer.api.bodies import amount_text, checked_id, decode, is_id
from authorizer.api.endpoints import (
    API_KEY,
    PathId,
    Reader,
    RequestDependencies,
    Writer,
    dependencies_of,
    in_time,
    json_response,
    new_router,
    not_found,
    response_from_reply,
)
from authorizer.api.operations import (
    BODY_PROBLEMS,
    json_content,
    problems,
    query_parameters,
    request_body,
    success,
    with_links,
)
from authorizer.api.problems import NOT_COMMITTED, ProblemError, invalid, unavailable
from authorizer.api.schemas import (
    AuthorizationBody,
    AuthorizationOut,
    AuthorizationState,
    CaptureBody,
    IncrementBody,
    RefundBody,
    VoidBody,
)
from authorizer.decisions import route as hot
from authorizer.decisions.route import json_body
from authorizer.dependencies import Dependencies
from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
)
from cardops.rules.programs.api_keys import Caller, Scope

AUTHORIZATION_PATH: Final = "/v1/authorizations/{transaction_id}"

router = new_router("authorizations")


@router.post(
    hot.PATH,
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
async def authorize(
    request: Request,
    dependencies: RequestDependencies,
    _key: Annotated[object, Security(API_KEY, scopes=[Scope.AUTHORIZATIONS_WRITE.value])],
) -> Response:
    """Spends or holds the amount if the user's credit covers it. `dry_run` decides and stores nothing."""
    # The application calls `hot.decide` itself, before the router: routing would cost more than
    # the decision. The key is declared for the document only; `hot.decide` checks it.
    reply = await hot.decide(
        request.scope,
        request.receive,
        dependencies=dependencies,
        metrics=request.app.state.metrics,
        request_id=request.state.request_id,
    )
    return response_from_reply(reply)


@router.get(
    AUTHORIZATION_PATH,
    summary="The stored decision with its present state",
    responses={
        200: success("The authorization", json_content(AuthorizationState)),
        **problems(404, is_read=True),
    },
)
async def get_authorization(
    transaction_id: PathId, caller: Reader, dependencies: RequestDependencies
) -> Response:
    """The decision, null while its request has not arrived, and the present state."""
    view = None
    if is_id(transaction_id):
        lookup = dependencies.reads.find(caller.program, transaction_id)
        view = await in_time(dependencies, lookup, is_read=True)
    if view is None:
        raise not_found("authorization")
    return json_response(view.body())


@router.post(
    f"{AUTHORIZATION_PATH}/capture",
    summary="Capture the whole hold or a part of it, once",
    responses={
        200: success("The state after it", json_content(AuthorizationState), replays=True),
        **problems(404, 409, *BODY_PROBLEMS),
    },
    openapi_extra=request_body(CaptureBody, {"amount": 10.00}, is_required=False),
)
async def capture(
    transaction_id: PathId, request: Request, caller: Writer, dependencies: RequestDependencies
) -> Response:
    """Captures the amount, or all of the hold without one; the rest is released."""
    body = decode(await _optional_body(request, dependencies), CaptureBody)
    amount = amount_text(body.amount)
    return await _apply(ActionKind.CAPTURE, transaction_id, request, caller, amount=amount)


@router.post(
    f"{AUTHORIZATION_PATH}/void",
    summary="Release a hold, or reject an id before it arrives",
    responses={
        200: success("The state after it", json_content(AuthorizationState), replays=True),
        **problems(409, *BODY_PROBLEMS),
    },
    openapi_extra=request_body(VoidBody, {}, is_required=False),
)
async def void(
    transaction_id: PathId, request: Request, caller: Writer, dependencies: RequestDependencies
) -> Response:
    """Releases a hold. An id that has not arrived yet will be rejected when it does."""
    decode(await _optional_body(request, dependencies), VoidBody)
    checked_id("transaction_id", transaction_id)
    return await _apply(ActionKind.VOID, transaction_id, request, caller)


@router.post(
    f"{AUTHORIZATION_PATH}/refund",
    summary="Refund a captured amount, whole or in parts",
    responses={
        200: success("The state after it", json_content(AuthorizationState), replays=True),
        **problems(404, 409, *BODY_PROBLEMS, may_mismatch=True),
    },
    openapi_extra=request_body(RefundBody, {"amount": 4.00, "refund_id": "refund_1"}),
)
async def refund(
    transaction_id: PathId, request: Request, caller: Writer, dependencies: RequestDependencies
) -> Response:
    """Gives a captured amount back, whole or in parts, each with its own `refund_id`."""
    body = decode(await _required_body(request, dependencies), RefundBody)
    key, amount = checked_id("refund_id", body.refund_id), amount_text(body.amount) or ""
    return await _apply(ActionKind.REFUND, transaction_id, request, caller, amount=amount, key=key)


@router.post(
    f"{AUTHORIZATION_PATH}/increment",
    summary="Increase a hold, decided like a new authorization",
    responses={
        200: success("The state after it", json_content(AuthorizationState), replays=True),
        **problems(404, 409, *BODY_PROBLEMS, may_mismatch=True),
    },
    openapi_extra=request_body(IncrementBody, {"amount": 5.00, "increment_id": "more_1"}),
)
async def increment(
    transaction_id: PathId, request: Request, caller: Writer, dependencies: RequestDependencies
) -> Response:
    """Increases a hold; look at `increment.status` for the decision."""
    body = decode(await _required_body(request, dependencies), IncrementBody)
    key, amount = checked_id("increment_id", body.increment_id), amount_text(body.amount) or ""
    return await _apply(
        ActionKind.INCREMENT, transaction_id, request, caller, amount=amount, key=key
    )


async def _apply(
    kind: ActionKind,
    transaction_id: str,
    request: Request,
    caller: Caller,
    *,
    amount: str | None = None,
    key: str = "",
) -> Response:
    """Apply one action; returns the response for its result. Raises ProblemError."""
    if not is_id(transaction_id):
        raise not_found("authorization")
    dependencies = dependencies_of(request)
    action = AuthorizationAction(
        kind, caller.program, transaction_id, amount, key, caller.key_id, request.state.request_id
    )
    return response_to(await in_time(dependencies, dependencies.batcher.apply(action)))


def response_to(applied: ActionResponse) -> Response:
    """The HTTP response for an action's result. Raises ProblemError."""
    match applied.result:
        case ActionResult.DONE:
            return json_response(applied.body)
        case ActionResult.REPLAYED:
            return json_response(applied.body, headers={"idempotent-replayed": "true"})
        case ActionResult.UNKNOWN:
            raise not_found("authorization")
        case ActionResult.FORBIDDEN:
            state = str(applied.state)
            raise ProblemError("invalid-state", f"The authorization is {state}.", state=state)
        case ActionResult.MISMATCHED:
            raise ProblemError("idempotency-mismatch", "This id was used with another amount.")
        case ActionResult.INVALID:
            raise invalid("amount", applied.detail)
        case ActionResult.INCONSISTENT | ActionResult.LOCKED | ActionResult.UNDECIDED:
            raise unavailable(applied.detail or NOT_COMMITTED)
        case unreachable:
            assert_never(unreachable)


async def _required_body(request: Request, dependencies: Dependencies) -> bytes:
    """The JSON body, received before the deadline. Raises ProblemError (408, 413, 415)."""
    ends_at = asyncio.get_running_loop().time() + dependencies.limits.deadline_seconds
    return await json_body(request.scope, request.receive, ends_at)


async def _optional_body(request: Request, dependencies: Dependencies) -> bytes:
    """The JSON body, `{}` when the request has none."""
    if request.headers.get("content-length", "0") == "0" and not request.headers.get(
        "transfer-encoding"
    ):
        return b"{}"
    return await _required_body(request, dependencies)
