"""API5:2023: a key permits what its scopes allow, whatever method or spelling of a path is tried."""

import itertools

import pytest

from tests.authorizer.owasp.conftest import OPERATIONS, Target
from tests.servers.raw_http import exchange, request

pytestmark = pytest.mark.database
WRITE, READ, ADMIN = "authorizations:write", "authorizations:read", "callbacks:admin"
SCOPES = {
    "authorize": WRITE,
    "capture": WRITE,
    "void": WRITE,
    "refund": WRITE,
    "increment": WRITE,
    "get_authorization": READ,
    "get_credit": READ,
    "list_callbacks": ADMIN,
    "replay_callback": ADMIN,
}
GUARDED = [operation for operation in OPERATIONS if operation.scope]


def test_every_operation_declares_its_scope() -> None:
    assert {operation.operation_id: operation.scope for operation in GUARDED} == SCOPES


@pytest.mark.parametrize("scope", [READ, WRITE, ADMIN])
def test_scope_permits_only_its_own_operations(target: Target, scope: str) -> None:
    key = target.a_key(scope)
    for operation in GUARDED:
        path = operation.path.replace("{", "").replace("}", "")
        reply = target.call(operation.method, path, {} if operation.has_body else None, key=key)
        assert (reply.status == 403) == (SCOPES[operation.operation_id] != scope), operation


def test_scope_is_checked_before_the_body_is_read(target: Target) -> None:
    assert target.authorize(b"{", key=target.a_key(READ)).problem == "forbidden"


@pytest.mark.parametrize(
    "header",
    [
        "x-http-method-override",
        "x-method-override",
        "x-http-method",
        "x-original-url",
        "x-rewrite-url",
    ],
)
def test_override_headers_change_neither_method_nor_path(target: Target, header: str) -> None:
    value = "/v1/callbacks" if "url" in header else "DELETE"
    reply = target.call("GET", "/livez", key=None, headers={header: value})

    assert reply.json == {"status": "ok"}


def test_unsupported_methods_are_405_with_an_allow_header(target: Target) -> None:
    served: dict[str, set[str]] = {}
    for operation in OPERATIONS:
        served.setdefault(operation.path, set()).add(operation.method)
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "LOCK"]
    for path, method in itertools.product(served, methods):
        if method in served[path]:
            continue
        raw = request(method, path.replace("{", "").replace("}", ""))
        reply = exchange(target.port, raw)
        assert reply.problem == "method-not-allowed", (method, path)
        allowed = reply.head.partition("allow: ")[2].partition("\r")[0].upper().split(", ")
        assert set(allowed) - {"HEAD"} == served[path], (method, path)


@pytest.mark.parametrize(
    "path",
    [
        "//v1/callbacks", "/v1//callbacks", "/v1/callbacks/", "/v1/./callbacks", "/v1/x/../callbacks",
        "/v1/%2e/callbacks", "/v1/x/%2e%2e/callbacks", "/v1/callbacks;x=1", "/v1;/callbacks",
        "/V1/callbacks", "/v1/Callbacks", "/v1/callbacks%00", "/v1/callbacks%20", "/v1/callbacks%2f",
        "/v1%5ccallbacks", "/v1/callbacks.json", "/v1/authorizations//capture", "/v1/authorizations/a/capture/",
        "/livez/../v1/callbacks", "/metrics%2f..%2fv1%2fcallbacks", "/.env", "/admin", "/v1/authorizations/a/b/capture",
    ],
)  # fmt: skip
def test_altered_path_is_not_found(target: Target, path: str) -> None:
    for key in (target.key, "none"):
        raw = request("GET", path, {"authorization": f"Bearer {key}"})
        reply = exchange(target.port, raw)
        assert reply.status in {404, 405}
        assert reply.problem in {"not-found", "method-not-allowed"}


def test_percent_encoded_path_requires_the_same_key(target: Target) -> None:
    raw = request("GET", "/v1/%63allbacks", {"authorization": "Bearer none"})

    assert exchange(target.port, raw).problem == "unauthorized"
