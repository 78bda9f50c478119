"""API9:2023: the OpenAPI document lists exactly what is served."""

import pytest

from authorizer.api.documentation import ROUTERS, openapi_document
from authorizer.api.problems import KINDS
from tests.authorizer.owasp.conftest import OPERATIONS, Target

pytestmark = pytest.mark.database


def test_document_lists_exactly_the_routes_served(target: Target) -> None:
    document = target.call("GET", "/openapi.json", key=None).json
    documented = {(path, verb) for path, verbs in document["paths"].items() for verb in verbs}
    served = {
        (route.path, verb.lower())  # type: ignore[attr-defined] # all are routes with methods
        for router in ROUTERS
        for route in router.routes
        for verb in route.methods  # type: ignore[attr-defined]
    }

    assert documented == served
    assert documented >= {("/v1/authorizations", "post"), ("/openapi.json", "get")}
    assert document == openapi_document()


def test_every_documented_operation_is_served(target: Target) -> None:
    for operation in OPERATIONS:
        path = operation.path.replace("{slug}", "not-found").replace("{", "").replace("}", "")
        reply = target.call(operation.method, path, {} if operation.has_body else None)
        assert reply.status not in {405, 500}, operation
        if reply.status == 404:
            assert "in this program" in reply.json["detail"], "the route itself was not found"


@pytest.mark.parametrize(
    "path",
    ["/redoc", "/docs/oauth2-redirect", "/debug", "/debug/pprof", "/admin", "/v0/authorizations",
     "/v2/authorizations", "/v1", "/", "/health", "/status", "/env", "/actuator", "/swagger.json",
     "/openapi.yaml", "/graphql", "/robots.txt", "/favicon.ico", "/static/x", "/server-status"],
)  # fmt: skip
def test_nothing_else_is_served(target: Target, path: str) -> None:
    assert target.call("GET", path).problem == "not-found"


def test_every_operation_has_a_unique_id_and_a_summary(target: Target) -> None:
    names = [operation.operation_id for operation in OPERATIONS]

    assert len(set(names)) == len(names)
    assert all(operation.summary for operation in OPERATIONS)


def test_every_problem_type_is_documented_and_has_a_page(target: Target) -> None:
    below_routing = {"malformed-http", "request-timeout", "headers-too-large", "method-not-allowed"}
    document = str(openapi_document())
    for slug in KINDS:
        assert slug in below_routing or f"/problems/{slug}" in document
        page = target.call("GET", f"/problems/{slug}", key=None)
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert KINDS[slug].title in page.body.decode()
