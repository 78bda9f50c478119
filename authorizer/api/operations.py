"""Parts of the OpenAPI document that FastAPI cannot derive from a route's signature.

Belongs here: responses, problems, headers and bodies in OpenAPI's terms. The document itself is
generated in authorizer.api.documentation.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from authorizer.api import schemas
from authorizer.api.problems import KINDS

HTML: Final = "text/html; charset=utf-8"
PROMETHEUS_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
ID_PARAMETER: Final = {"minLength": 1, "maxLength": 64, "pattern": schemas.ID_SCHEMA}

# Shared response headers: the `components.headers` of the document.
HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "x-request-id": {
        "description": "Identifies the request in the operator's log and on the stored decision.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
    },
    "idempotent-replayed": {
        "description": "`true` if the response is a replay; absent the first time.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "retry-after": {
        "description": "Seconds to wait before a retry with the same id.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"},
    },
    "www-authenticate": {"required": True, "schema": {"type": "string", "enum": ["Bearer"]}},
}
_HEADER_OF_STATUS: Final = {401: "www-authenticate", 429: "retry-after", 503: "retry-after"}
_ALWAYS: Final = (500, 503)
# On every path the key may be invalid, the rate exceeded or the database unavailable.
_ALWAYS_WITH_KEY: Final = (401, 403, 429, *_ALWAYS)
# Problems of any route with a body.
BODY_PROBLEMS: Final = (408, 413, 415, 422)
_LINKED_OPERATIONS: Final = ("get_authorization", "capture", "void", "refund", "increment")

Responses = dict[int | str, dict[str, Any]]


def json_content(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """A JSON response of one type."""
    return {"application/json": {"schema": schema_of(kind)}}


def text_content(media_type: str) -> dict[str, Any]:
    """A text response."""
    return {media_type: {"schema": {"type": "string"}}}


def success(
    description: str, content: Mapping[str, Any], *, replays: bool = False
) -> dict[str, Any]:
    """The successful response. `replays`: it may be a replay of an earlier one."""
    names = ["x-request-id", *(["idempotent-replayed"] if replays else [])]
    return {
        "description": description,
        "headers": {name: _header(name) for name in names},
        "content": content,
    }


def with_links(response: dict[str, Any]) -> dict[str, Any]:
    """The response of a decision, with links to the operations that may follow."""
    parameters = {"transaction_id": "$response.body#/transaction_id"}
    links = {name: {"operationId": name, "parameters": parameters} for name in _LINKED_OPERATIONS}
    return {**response, "links": links}


def problems(
    *statuses: int, needs_key: bool = True, may_mismatch: bool = False, is_read: bool = False
) -> Responses:
    """Problem responses: the given statuses and those common to all routes."""
    always = _ALWAYS_WITH_KEY if needs_key else _ALWAYS
    impossible = set() if may_mismatch else {"idempotency-mismatch"}
    impossible |= set() if is_read else {"read-timeout"}
    return {status: _problem(status, impossible) for status in sorted({*statuses, *always})}


def request_body(
    kind: type[msgspec.Struct], example: Mapping[str, Any], *, is_required: bool = True
) -> dict[str, Any]:
    """A JSON request body; FastAPI does not see it, because the route decodes it itself."""
    content = {"schema": schema_of(kind), "examples": {"usual": {"value": example}}}
    return {"requestBody": {"required": is_required, "content": {"application/json": content}}}


def query_parameters(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Optional query parameters; FastAPI does not see them, because the route checks them itself."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in parameters.items()
        ]
    }


def schema_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """A reference to the type's schema in the document."""
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _problem(status: int, impossible: AbstractSet[str]) -> dict[str, Any]:
    kinds = {
        slug: kind
        for slug, kind in KINDS.items()
        if kind.status == status and slug not in impossible
    }
    names = ["x-request-id"]
    if status in _HEADER_OF_STATUS:
        names.append(_HEADER_OF_STATUS[status])
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
    types = {"properties": {"type": {"enum": [f"/problems/{slug}" for slug in kinds]}}}
    schema = {"allOf": [schema_of(schemas.ProblemOut), types]}
    return {
        "description": "; ".join(kind.title for kind in kinds.values()),
        "headers": {name: _header(name) for name in names},
        "content": {"application/problem+json": {"schema": schema, "examples": examples}},
    }


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}
