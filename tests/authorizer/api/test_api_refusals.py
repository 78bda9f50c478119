"""Refusals, problem pages, health, metrics and the log, over real HTTP."""

import json
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import connect
from tests.factories.request_bodies import a_body
from tests.factories.waiting import wait_until
from tests.servers.authorizer_process import AuthorizerProcess

pytestmark = pytest.mark.database


def test_invalid_key_is_401(api: AuthorizerProcess, user: str) -> None:
    kind, _, rest = api.key.partition("_test_")
    invalid_keys = [
        None,
        "nonsense",
        api.key + "x",
        f"{kind}_live_{rest}",
        "cpk_test_unknown_secret",
    ]
    replies = [api.authorize(a_body(user), key=key) for key in invalid_keys]

    assert [reply.status for reply in replies] == [401] * 5
    assert replies[0].headers["www-authenticate"] == "Bearer"
    assert replies[0].problem == "unauthorized"


def test_revoked_key_becomes_401(api: AuthorizerProcess, user: str) -> None:
    key = api.programs.create_key("default", "s", ["authorizations:write"], is_test=True)
    assert api.authorize(a_body(user), key=key.key).status == 200
    api.programs.revoke_key(key.key_id)

    statuses: list[int] = []
    while (not statuses or statuses[-1] == 200) and len(statuses) < 2000:
        statuses.append(api.authorize(a_body(user, amount="0.01"), key=key.key).status)

    assert statuses[-1] == 401


def test_key_without_the_scope_is_403(api: AuthorizerProcess, user: str) -> None:
    reader = api.programs.create_key("default", "s", ["authorizations:read"], is_test=True).key
    refused = [
        api.authorize(a_body(user), key=reader),
        api.call("GET", "/v1/callbacks", key=reader),
        api.call("POST", "/v1/authorizations/x/void", key=reader),
    ]

    assert [reply.problem for reply in refused] == ["forbidden"] * 3


@pytest.mark.parametrize("path", ["", "/x/capture", "/x/refund"])
def test_body_over_16_kib_is_413(api: AuthorizerProcess, user: str, path: str) -> None:
    body = json.dumps(a_body(user, metadata={"a": "x" * 17_000})).encode()

    assert api.call("POST", f"/v1/authorizations{path}", body).problem == "body-too-large"


@pytest.mark.parametrize(
    "headers", [{"content-type": "text/plain"}, {"content-type": ""}, {"content-encoding": "gzip"}]
)
def test_body_that_is_not_plain_json_is_415(
    api: AuthorizerProcess, user: str, headers: dict[str, str]
) -> None:
    assert api.authorize(a_body(user), headers=headers).problem == "unsupported-media-type"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("GET", "/v1/authorizations", "POST"), ("DELETE", "/livez", "GET"), ("PUT", "/readyz", "GET")],
)
def test_unsupported_method_is_405(
    api: AuthorizerProcess, method: str, path: str, allow: str
) -> None:
    refused = api.call(method, path)

    assert refused.problem == "method-not-allowed"
    assert refused.headers["allow"] == allow


@pytest.mark.parametrize(
    "path", ["/nope", "/v1/authorizations/", "/v1/authorizations/unknown", "/v1/users/x/credit",
             "/problems/nope", "/v1/authorizations/a%20b"],
)  # fmt: skip
def test_unknown_path_or_id_is_404(api: AuthorizerProcess, path: str) -> None:
    assert api.call("GET", path).problem == "not-found"


@pytest.mark.parametrize(
    "query",
    ["stat=dead", "status=lost", "cursor=zzz", "cursor=", "limit=0", "limit=101", "limit=1&x"],
)
def test_invalid_page_query_is_refused(api: AuthorizerProcess, query: str) -> None:
    assert api.call("GET", f"/v1/callbacks?{query}").problem == "invalid-request"
    assert api.call("GET", "/v1/callbacks?cursor=cb_0&limit=1&status=dead").json["data"] == []


def test_deeply_nested_body_is_refused_as_nested(api: AuthorizerProcess) -> None:
    prefix = b'{"transaction_id":"deep","user_id":"u","amount":1,"metadata":'
    body = prefix + b'{"a":' * 2000 + b"1" + b"}" * 2001

    refused = api.call("POST", "/v1/authorizations", body)

    # The decoder or our own rule refuses it, depending on Python's recursion limit.
    assert "nested" in refused.json["detail"]


def test_problems_have_html_pages(api: AuthorizerProcess) -> None:
    for slug in ("idempotency-mismatch", "invalid-state", "unavailable", "too-many-requests"):
        page = api.call("GET", f"/problems/{slug}", key=None)
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_health_needs_no_key_and_metrics_show_templates_only(
    api: AuthorizerProcess, user: str
) -> None:
    api.call("GET", f"/v1/users/{user}/credit")
    metrics = api.call("GET", "/metrics", key=None).body.decode()

    assert api.call("GET", "/livez", key=None).status == 200
    assert api.call("GET", "/readyz", key=None).status == 200
    assert 'route="/v1/users/{user_id}/credit"' in metrics
    assert user not in metrics


def wait_for_log(log: Path, text: str) -> list[str]:
    """The log's lines once it contains the text: a line is written after its response is sent."""
    wait_until(lambda: text in log.read_text(), f"{text} in the log")
    return log.read_text().splitlines()


def test_request_id_is_on_the_decision_row_and_in_the_log(
    api: AuthorizerProcess, user: str
) -> None:
    reply = api.authorize(a_body(user))
    request_id = reply.headers["x-request-id"]
    lines = wait_for_log(api.home / "authorizer.log", request_id)
    logged = [json.loads(line) for line in lines if request_id in line]

    with connect(api.url) as session:
        row = session.execute(
            "select transaction_id from decisions where request_id = %s", [request_id]
        ).fetchone()
    assert row == (reply.json["transaction_id"],)
    assert [(line["route"], line["status"]) for line in logged] == [("/v1/authorizations", 200)]
    assert api.key not in "\n".join(lines)


def test_document_describes_the_routes(api: AuthorizerProcess) -> None:
    document = api.call("GET", "/openapi.json", key=None).json
    body = document["components"]["schemas"]["AuthorizationBody"]

    assert set(document["paths"]["/v1/authorizations"]) == {"post"}
    assert set(body["required"]) == {"transaction_id", "user_id", "amount"}
    assert body["additionalProperties"] is False
    assert {"409", "422", "503"} <= set(
        document["paths"]["/v1/authorizations/{transaction_id}/capture"]["post"]["responses"]
    )
