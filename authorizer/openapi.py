"""The OpenAPI document, generated from the types that decode requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from authorizer import schemas
from authorizer.problems import KINDS

_BODIES: Final = (
    schemas.AuthorizationBody,
    schemas.CaptureBody,
    schemas.VoidBody,
    schemas.RefundBody,
    schemas.IncrementBody,
    schemas.AuthorizationOut,
    schemas.AuthorizationState,
    schemas.UserCredit,
    schemas.CallbackPage,
    schemas.CallbackOut,
    schemas.ProblemOut,
)
_ID: Final = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": schemas.ID_SCHEMA}
_ALWAYS: Final = (401, 403, 429, 503)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `body` names the type that decodes its body."""

    path: str
    method: str
    summary: str
    scope: str | None = None
    body: str | None = None
    body_required: bool = True
    answer: str | None = None
    status: int = 200
    problems: Sequence[int] = ()
    query: Mapping[str, Mapping[str, object]] | None = None


_ONE: Final = "/v1/authorizations/{transaction_id}"
_MOVE_PROBLEMS: Final = (404, 409, 413, 415, 422)
_WRITE: Final = "authorizations:write"
_READ: Final = "authorizations:read"
_PAGE_QUERY: Final[Mapping[str, Mapping[str, object]]] = {
    "status": {"type": "string", "enum": ["pending", "delivered", "dead"]},
    "cursor": _ID,
    "limit": {"type": "integer", "minimum": 1, "maximum": 100},
}
OPERATIONS: Final = (
    Operation(
        "/v1/authorizations", "post", "Decide", _WRITE, "AuthorizationBody",
        answer="AuthorizationOut", problems=(413, 415, 422), query={"dry_run": {"type": "boolean"}},
    ),
    Operation(_ONE, "get", "Look up", _READ, answer="AuthorizationState", problems=(404,)),
    Operation(
        f"{_ONE}/capture", "post", "Capture", _WRITE, "CaptureBody", body_required=False,
        answer="AuthorizationState", problems=_MOVE_PROBLEMS,
    ),
    Operation(
        f"{_ONE}/void", "post", "Void", _WRITE, "VoidBody", body_required=False,
        answer="AuthorizationState", problems=(409, 413, 415, 422),
    ),
    Operation(
        f"{_ONE}/refund", "post", "Refund", _WRITE, "RefundBody",
        answer="AuthorizationState", problems=_MOVE_PROBLEMS,
    ),
    Operation(
        f"{_ONE}/increment", "post", "Increment", _WRITE, "IncrementBody",
        answer="AuthorizationState", problems=_MOVE_PROBLEMS,
    ),
    Operation(
        "/v1/users/{user_id}/credit", "get", "Credit", _READ, answer="UserCredit", problems=(404,)
    ),
    Operation(
        "/v1/callbacks", "get", "List callbacks", "callbacks:admin", answer="CallbackPage",
        problems=(422,), query=_PAGE_QUERY,
    ),
    Operation(
        "/v1/callbacks/{callback_id}/replay", "post", "Replay a callback", "callbacks:admin",
        status=202, problems=(404,),
    ),
    Operation("/problems/{slug}", "get", "What a problem means", problems=(404,)),
    Operation("/livez", "get", "The process is there"),
    Operation("/readyz", "get", "The database answers", problems=(503,)),
    Operation("/metrics", "get", "Prometheus figures"),
)  # fmt: skip


def describe() -> dict[str, Any]:
    """The document."""
    _, components = msgspec.json.schema_components(
        _BODIES, ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cardops authorizer", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{operation.method}_{operation.summary}".lower().replace(" ", "_"),
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.scope:
        described["security"] = [{"key": []}]
        described["description"] = f"Needs a key with the scope `{operation.scope}`."
    if operation.body:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": {"schema": _ref(operation.body)}},
        }
    return described


def _parameters(operation: Operation) -> list[dict[str, object]]:
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    in_path: list[dict[str, object]] = [
        {"name": name, "in": "path", "required": True, "schema": _ID} for name in names
    ]
    in_query: list[dict[str, object]] = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in (operation.query or {}).items()
    ]
    return in_path + in_query


def _responses(operation: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": operation.summary}
    if operation.answer:
        success["content"] = {"application/json": {"schema": _ref(operation.answer)}}
    statuses = {*operation.problems, *(_ALWAYS if operation.scope else ())}
    problems = {
        str(status): {
            "description": _title(status),
            "content": {"application/problem+json": {"schema": _ref("ProblemOut")}},
        }
        for status in sorted(statuses)
    }
    return {str(operation.status): success, **problems}


def _title(status: int) -> str:
    return "; ".join(kind.title for kind in KINDS.values() if kind.status == status)


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
