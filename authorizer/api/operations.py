"""What is served: every method of every path, as the OpenAPI document lists it.

Belongs here: data. How it becomes a document is in authorizer.api.openapi.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from authorizer.api import schemas

ID: Final = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": schemas.ID_SCHEMA}
WRITE: Final = "authorizations:write"
READ: Final = "authorizations:read"
ADMIN: Final = "callbacks:admin"
HTML: Final = "text/html; charset=utf-8"
FIGURES: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `body` and `answer` name types; `media_type` is what has no type."""

    operation_id: str
    method: str
    path: str
    summary: str
    tag: str = "authorizations"
    scope: str | None = None
    body: str | None = None
    is_body_required: bool = True
    example: Mapping[str, Any] | None = None
    response: str | None = None
    media_type: str = "application/json"
    status: int = 200
    may_replay: bool = False
    may_mismatch: bool = False
    has_links: bool = False
    problems: Sequence[int] = ()
    query: Mapping[str, Mapping[str, object]] | None = None


_ONE: Final = "/v1/authorizations/{transaction_id}"
_MOVE: Final = (404, 408, 409, 413, 415, 422)
_PAGE_QUERY: Final[Mapping[str, Mapping[str, object]]] = {
    "status": {"type": "string", "enum": ["pending", "delivered", "dead"]},
    "cursor": {"type": "string", "pattern": schemas.CURSOR_SCHEMA},
    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
}
_QUESTION: Final = {
    "transaction_id": "txn_123",
    "user_id": "user_456",
    "amount": 25.00,
    "currency": "USD",
    "merchant": {"id": "m_1", "name": "Corner shop", "mcc": "5411", "country": "US"},
    "channel": "ecommerce",
    "metadata": {"basket": "b-7"},
}

OPERATIONS: Final = (
    Operation(
        "authorize", "post", "/v1/authorizations", "Decide whether a user may spend",
        scope=WRITE, body="AuthorizationBody", example=_QUESTION, response="AuthorizationOut",
        may_replay=True, may_mismatch=True, has_links=True, problems=(408, 413, 415, 422),
        query={"dry_run": {"type": "boolean", "default": False}},
    ),
    Operation(
        "get_authorization", "get", _ONE, "The stored decision with its present state",
        scope=READ, response="AuthorizationState", problems=(404,),
    ),
    Operation(
        "capture", "post", f"{_ONE}/capture", "Take the whole hold or a part, once",
        scope=WRITE, body="CaptureBody", is_body_required=False, example={"amount": 10.00},
        response="AuthorizationState", may_replay=True, problems=_MOVE,
    ),
    Operation(
        "void", "post", f"{_ONE}/void", "Release a hold, or make sure that an id never spends",
        scope=WRITE, body="VoidBody", is_body_required=False, example={},
        response="AuthorizationState", may_replay=True, problems=(408, 409, 413, 415, 422),
    ),
    Operation(
        "refund", "post", f"{_ONE}/refund", "Give captured money back, whole or in parts",
        scope=WRITE, body="RefundBody", example={"amount": 4.00, "refund_id": "refund_1"},
        response="AuthorizationState", may_replay=True, may_mismatch=True, problems=_MOVE,
    ),
    Operation(
        "increment", "post", f"{_ONE}/increment", "Hold more, decided like a new question",
        scope=WRITE, body="IncrementBody", example={"amount": 5.00, "increment_id": "more_1"},
        response="AuthorizationState", may_replay=True, may_mismatch=True, problems=_MOVE,
    ),
    Operation(
        "get_credit", "get", "/v1/users/{user_id}/credit", "A user's balances by currency",
        tag="users", scope=READ, response="UserCredit", problems=(404,),
    ),
    Operation(
        "list_callbacks", "get", "/v1/callbacks", "Callbacks of the program, newest first",
        tag="callbacks", scope=ADMIN, response="CallbackPage", problems=(422,), query=_PAGE_QUERY,
    ),
    Operation(
        "replay_callback", "post", "/v1/callbacks/{callback_id}/replay", "Owe a callback again",
        tag="callbacks", scope=ADMIN, response="CallbackReplayed", status=202, problems=(404,),
    ),
    Operation(
        "get_problem", "get", "/problems/{slug}", "What a problem's `type` means",
        tag="documentation", media_type=HTML, problems=(404,),
    ),
    Operation("get_reference", "get", "/docs", "This reference", "documentation", media_type=HTML),
    Operation(
        "get_document", "get", "/openapi.json", "This document", "documentation",
        response="AnyObject",
    ),
    Operation("get_liveness", "get", "/livez", "The process is there", "health", response="Health"),
    Operation(
        "get_readiness", "get", "/readyz", "The database answers, and nothing else counts",
        "health", response="Health", problems=(503,),
    ),
    Operation(
        "get_metrics", "get", "/metrics", "Figures for Prometheus", "health", media_type=FIGURES
    ),
)  # fmt: skip
