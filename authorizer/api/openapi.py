"""The OpenAPI document, generated from the types that decode requests."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from authorizer.api import schemas
from authorizer.api.operations import ID, OPERATIONS, Operation
from authorizer.api.problems import KINDS

_TYPES: Final = (
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
    schemas.CallbackReplayed,
    schemas.Health,
    schemas.ProblemOut,
)
# Whatever the path: its caller may be nobody, too fast, or ahead of a store that is away.
_ALWAYS_WITH_KEY: Final = (401, 403, 429, 503)
_ALWAYS: Final = (500, 503)
_HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "x-request-id": {
        "description": "Names the request in the log and on the decision.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
    },
    "idempotent-replayed": {
        "description": "`true` where these bytes were answered before; absent the first time.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "retry-after": {
        "description": "Seconds to wait before asking again, with the same id.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"},
    },
    "www-authenticate": {"required": True, "schema": {"type": "string", "enum": ["Bearer"]}},
}
_HEADERS_OF_PROBLEM: Final = {401: "www-authenticate", 429: "retry-after", 503: "retry-after"}
_ABOUT: Final = (
    "May this user spend this much? Answered once for ever: the same question with the same "
    "`transaction_id` is answered with the same bytes. Amounts are in the currency's own unit. "
    "Every error is a problem document (RFC 9457) whose `type` is a page here."
)


def describe() -> dict[str, Any]:
    """The document."""
    _, components = msgspec.json.schema_components(
        _TYPES, ref_template="#/components/schemas/{name}"
    )
    components["AnyObject"] = {"type": "object"}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Cardops authorizer",
            "version": "1",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in OPERATIONS)],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": {name: dict(header) for name, header in _HEADERS.items()},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "cpk_<test|live>_<id>_<secret>",
                    "description": "A key of `cardops key create`.",
                }
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "operationId": operation.operation_id,
        "parameters": _parameters(operation),
        "responses": _responses(operation),
        "security": [{"key": []}] if operation.scope else [],
    }
    if operation.scope:
        described["description"] = f"Needs a key with the scope `{operation.scope}`."
    if operation.body:
        content: dict[str, Any] = {"schema": _ref(operation.body)}
        if operation.example is not None:
            content["examples"] = {"usual": {"value": operation.example}}
        described["requestBody"] = {
            "required": operation.is_body_required,
            "content": {"application/json": content},
        }
    return described


def _parameters(operation: Operation) -> list[dict[str, object]]:
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    in_path: list[dict[str, object]] = [
        {"name": name, "in": "path", "required": True, "schema": ID} for name in names
    ]
    in_query: list[dict[str, object]] = [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in (operation.query or {}).items()
    ]
    return in_path + in_query


def _responses(operation: Operation) -> dict[str, Any]:
    always = {*_ALWAYS, *(_ALWAYS_WITH_KEY if operation.scope else ())}
    statuses = sorted({*operation.problems, *always})
    return {str(operation.status): _success(operation)} | {
        str(status): _problem(status, operation) for status in statuses
    }


def _success(operation: Operation) -> dict[str, Any]:
    schema = _ref(operation.response) if operation.response else {"type": "string"}
    names = ["x-request-id", *(["idempotent-replayed"] if operation.may_replay else [])]
    described: dict[str, Any] = {
        "description": operation.summary,
        "headers": {name: _header(name) for name in names},
        "content": {operation.media_type: {"schema": schema}},
    }
    if operation.has_links:
        described["links"] = {
            target: {
                "operationId": target,
                "parameters": {"transaction_id": "$response.body#/transaction_id"},
            }
            for target in ("get_authorization", "capture", "void", "refund", "increment")
        }
    return described


def _problem(status: int, operation: Operation) -> dict[str, Any]:
    kinds = {slug: kind for slug, kind in KINDS.items() if kind.status == status}
    if not operation.may_mismatch:
        kinds.pop("idempotency-mismatch", None)
    names = ["x-request-id"]
    if status in _HEADERS_OF_PROBLEM:
        names.append(_HEADERS_OF_PROBLEM[status])
    examples = {
        slug: {
            "value": {
                "type": f"/problems/{slug}",
                "title": kind.title,
                "status": status,
                "detail": kind.advice,
            }
        }
        for slug, kind in kinds.items()
    }
    schema = {
        "allOf": [
            _ref("ProblemOut"),
            {"properties": {"type": {"enum": [f"/problems/{slug}" for slug in kinds]}}},
        ]
    }
    return {
        "description": "; ".join(kind.title for kind in kinds.values()),
        "headers": {name: _header(name) for name in names},
        "content": {"application/problem+json": {"schema": schema, "examples": examples}},
    }


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
