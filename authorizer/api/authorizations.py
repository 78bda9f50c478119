"""Routes of authorizations: decide, look up, capture, void, refund, increment."""

import asyncio
from typing import Annotated, Final

from fastapi import Request, Response, Security

from authorizer.api.bodies import is_id
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
from authorizer.decisions.action_route import (
    ActionPath,
    action_from_body,
    has_no_body,
    reply_to_action,
    unknown_authorization,
)
from authorizer.decisions.route import json_body
from cardops.rules.authorizations.actions import (
    ActionKind,
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
        **problems(404, 422, is_read=True),
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
        raise unknown_authorization()
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
async def capture(transaction_id: PathId, request: Request, caller: Writer) -> Response:
    """Captures the amount, or all of the hold without one; the rest is released."""
    return await _apply(ActionPath(ActionKind.CAPTURE, transaction_id), request, caller)


@router.post(
    f"{AUTHORIZATION_PATH}/void",
    summary="Release a hold, or reject an id before it arrives",
    responses={
        200: success("The state after it", json_content(AuthorizationState), replays=True),
        **problems(409, *BODY_PROBLEMS),
    },
    openapi_extra=request_body(VoidBody, {}, is_required=False),
)
async def void(transaction_id: PathId, request: Request, caller: Writer) -> Response:
    """Releases a hold. An id that has not arrived yet will be rejected when it does."""
    return await _apply(ActionPath(ActionKind.VOID, transaction_id), request, caller)


@router.post(
    f"{AUTHORIZATION_PATH}/refund",
    summary="Refund a captured amount, whole or in parts",
    responses={
        200: success("The state after it", json_content(AuthorizationState), replays=True),
        **problems(404, 409, *BODY_PROBLEMS, may_mismatch=True),
    },
    openapi_extra=request_body(RefundBody, {"amount": 4.00, "refund_id": "refund_1"}),
)
async def refund(transaction_id: PathId, request: Request, caller: Writer) -> Response:
    """Gives a captured amount back, whole or in parts, each with its own `refund_id`."""
    return await _apply(ActionPath(ActionKind.REFUND, transaction_id), request, caller)


@router.post(
    f"{AUTHORIZATION_PATH}/increment",
    summary="Increase a hold, decided like a new authorization",
    responses={
        200: success("The state after it", json_content(AuthorizationState), replays=True),
        **problems(404, 409, *BODY_PROBLEMS, may_mismatch=True),
    },
    openapi_extra=request_body(IncrementBody, {"amount": 5.00, "increment_id": "more_1"}),
)
async def increment(transaction_id: PathId, request: Request, caller: Writer) -> Response:
    """Increases a hold; look at `increment.status` for the decision."""
    return await _apply(ActionPath(ActionKind.INCREMENT, transaction_id), request, caller)


async def _apply(path: ActionPath, request: Request, caller: Caller) -> Response:
    """Apply one action; returns the response for its result. Raises ProblemError."""
    dependencies = dependencies_of(request)
    body = b"{}"
    if not has_no_body(request.scope, path.kind):
        ends_at = asyncio.get_running_loop().time() + dependencies.limits.deadline_seconds
        body = await json_body(request.scope, request.receive, ends_at)
    action = action_from_body(path, body, caller, request.state.request_id)
    applied = await in_time(dependencies, dependencies.batcher.apply(action))
    return response_from_reply(reply_to_action(applied))
