"""Routes of callbacks: list and replay."""

import re
from typing import Final

import msgspec
from fastapi import Request, Response

from authorizer.api.bodies import is_id
from authorizer.api.endpoints import (
    Admin,
    CallbackLister,
    PathId,
    RequestDependencies,
    in_time,
    json_response,
    new_router,
    not_found,
)
from authorizer.api.operations import json_content, problems, query_parameters, success
from authorizer.api.problems import invalid
from authorizer.api.schemas import CURSOR_SCHEMA, CallbackOut, CallbackPage, CallbackReplayed
from cardops.rules.authorizations.decisions import instant_text
from cardops.rules.callbacks.callbacks import Callback, CallbackState

MAX_PAGE: Final = 100

# Said of every unknown id, whether it ever existed or not.
ARCHIVED: Final = (
    "A delivered callback is archived after some days and cannot be sent again; its response stays at "
    "GET /v1/authorizations/{transaction_id}."
)

router = new_router("callbacks")


@router.get(
    "/v1/callbacks",
    summary="Callbacks of the program, newest first",
    responses={200: success("A page", json_content(CallbackPage)), **problems(422, is_read=True)},
    openapi_extra=query_parameters(
        {
            "status": {"type": "string", "enum": list(CallbackState)},
            "cursor": {"type": "string", "pattern": CURSOR_SCHEMA},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 50},
        }
    ),
)
async def list_callbacks(
    request: Request, caller: CallbackLister, dependencies: RequestDependencies
) -> Response:
    """Callbacks of the program, newest first."""
    query = request.query_params
    status, cursor, limit = query.get("status"), query.get("cursor"), query.get("limit", "50")
    if status is not None and status not in set(CallbackState):
        raise invalid("status", "must be pending, delivered or dead")
    if cursor is not None and not re.fullmatch(CURSOR_SCHEMA, cursor):
        raise invalid("cursor", "must be the next_cursor of an earlier page")
    if limit not in set(map(str, range(1, MAX_PAGE + 1))):
        raise invalid("limit", f"must be from 1 to {MAX_PAGE}")
    page = dependencies.reads.list_callbacks(caller.program, status, cursor, int(limit))
    callbacks, next_cursor = await in_time(dependencies, page, is_read=True)
    body = CallbackPage([_callback_out(callback) for callback in callbacks], next_cursor)
    return json_response(msgspec.json.encode(body))


@router.post(
    "/v1/callbacks/{callback_id}/replay",
    summary="Send a callback again",
    status_code=202,
    responses={
        202: success("The callback is pending", json_content(CallbackReplayed)),
        **problems(404, 422),
    },
)
async def replay_callback(
    callback_id: PathId, caller: Admin, dependencies: RequestDependencies
) -> Response:
    """Makes the callback pending again, due now."""
    is_known = is_id(callback_id) and await in_time(
        dependencies, dependencies.outbox.replay(caller.program, callback_id, caller.key_id)
    )
    if not is_known:
        raise not_found("callback", hint=ARCHIVED)
    return json_response(msgspec.json.encode(CallbackReplayed(callback_id)), 202)


def _callback_out(callback: Callback) -> CallbackOut:
    is_pending = callback.state is CallbackState.PENDING
    return CallbackOut(
        id=callback.callback_id,
        transaction_id=callback.transaction_id,
        url=callback.url,
        status=callback.state.value,
        attempts=callback.attempt_count,
        created_at=instant_text(callback.created_at),
        next_attempt_at=instant_text(callback.next_attempt_at) if is_pending else None,
        last_status_code=callback.last_status_code,
        last_error=callback.last_error,
    )
