"""What the API refuses, its pages, health, figures and log, over real HTTP."""

import json
import time
from pathlib import Path

import pytest

from cardops.adapters.postgresql.connection import connect
from tests.factories.request_bodies import a_body
from tests.servers.authorizer_process import AuthorizerProcess

pytestmark = pytest.mark.database


def test_a_key_that_is_none_is_401(api: AuthorizerProcess, user: str) -> None:
    kind, _, rest = api.key.partition("_test_")
    wrong = [None, "nonsense", api.key + "x", f"{kind}_live_{rest}", "cpk_test_unknown_secret"]
    replies = [api.ask(a_body(user), key=key) for key in wrong]

    assert [reply.status for reply in replies] == [401] * 5
    assert replies[0].headers["www-authenticate"] == "Bearer"
    assert replies[0].problem == "unauthorized"


def test_a_revoked_key_is_401_within_a_second(api: AuthorizerProcess, user: str) -> None:
    made = api.programs.create_key("default", "s", ["authorizations:write"], is_test=True)
    assert api.ask(a_body(user), key=made.key).status == 200
    api.programs.revoke_key(made.key_id)

    statuses: list[int] = []
    while (not statuses or statuses[-1] == 200) and len(statuses) < 2000:
        statuses.append(api.ask(a_body(user, amount="0.01"), key=made.key).status)

    assert statuses[-1] == 401


def test_a_key_without_the_scope_is_403(api: AuthorizerProcess, user: str) -> None:
    reader = api.programs.create_key("default", "s", ["authorizations:read"], is_test=True).key
    refused = [
        api.ask(a_body(user), key=reader),
        api.call("GET", "/v1/callbacks", key=reader),
        api.call("POST", "/v1/authorizations/x/void", key=reader),
    ]

    assert [reply.problem for reply in refused] == ["forbidden"] * 3


@pytest.mark.parametrize("path", ["", "/x/capture", "/x/refund"])
def test_a_body_over_16_kib_is_413(api: AuthorizerProcess, user: str, path: str) -> None:
    body = json.dumps(a_body(user, metadata={"a": "x" * 17_000})).encode()

    assert api.call("POST", f"/v1/authorizations{path}", body).problem == "body-too-large"


@pytest.mark.parametrize(
    "headers", [{"content-type": "text/plain"}, {"content-type": ""}, {"content-encoding": "gzip"}]
)
def test_what_is_not_plain_json_is_415(
    api: AuthorizerProcess, user: str, headers: dict[str, str]
) -> None:
    assert api.ask(a_body(user), headers=headers).problem == "unsupported-media-type"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("GET", "/v1/authorizations", "POST"), ("DELETE", "/livez", "GET"), ("PUT", "/readyz", "GET")],
)
def test_another_method_is_405(api: AuthorizerProcess, method: str, path: str, allow: str) -> None:
    refused = api.call(method, path)

    assert refused.problem == "method-not-allowed"
    assert refused.headers["allow"] == allow


@pytest.mark.parametrize(
    "path", ["/nope", "/v1/authorizations/", "/v1/authorizations/unknown", "/v1/users/x/credit",
             "/problems/nope", "/v1/authorizations/a%20b"],
)  # fmt: skip
def test_what_is_not_there_is_404(api: AuthorizerProcess, path: str) -> None:
    assert api.call("GET", path).problem == "not-found"


@pytest.mark.parametrize(
    "query",
    ["stat=dead", "status=lost", "cursor=zzz", "cursor=", "limit=0", "limit=101", "limit=1&x"],
)
def test_a_page_that_cannot_be_asked_for_is_no_other_page(
    api: AuthorizerProcess, query: str
) -> None:
    assert api.call("GET", f"/v1/callbacks?{query}").problem == "invalid-request"
    assert api.call("GET", "/v1/callbacks?cursor=cb_0&limit=1&status=dead").json["data"] == []


def test_what_is_nested_without_end_is_said_to_be(api: AuthorizerProcess) -> None:
    asked = b'{"transaction_id":"deep","user_id":"u","amount":1,"metadata":'
    body = asked + b'{"a":' * 2000 + b"1" + b"}" * 2001

    refused = api.call("POST", "/v1/authorizations", body)

    assert (
        "nested" in refused.json["detail"]
    )  # by the decoder or by our rule, as deep as Python goes


def test_every_problem_of_the_catalogue_has_its_page(api: AuthorizerProcess) -> None:
    for slug in ("idempotency-mismatch", "invalid-state", "unavailable", "too-many-requests"):
        page = api.call("GET", f"/problems/{slug}", key=None)
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_health_needs_no_key_and_figures_have_templates_only(
    api: AuthorizerProcess, user: str
) -> None:
    api.call("GET", f"/v1/users/{user}/credit")
    figures = api.call("GET", "/metrics", key=None).body.decode()

    assert api.call("GET", "/livez", key=None).status == 200
    assert api.call("GET", "/readyz", key=None).status == 200
    assert 'route="/v1/users/{user_id}/credit"' in figures
    assert user not in figures


def lines_once_told(log: Path, text: str, *, within_seconds: float = 5) -> list[str]:
    """The answer is sent first, its log line follows; what never comes is missing at the end."""
    end = time.monotonic() + within_seconds
    while text not in (told := log.read_text()) and time.monotonic() < end:
        time.sleep(0.02)
    return told.splitlines()


def test_the_request_id_lies_on_the_decision_row_and_in_the_log(
    api: AuthorizerProcess, user: str
) -> None:
    reply = api.ask(a_body(user))
    request_id = reply.headers["x-request-id"]
    lines = lines_once_told(api.home / "authorizer.log", request_id)
    logged = [json.loads(line) for line in lines if request_id in line]

    with connect(api.url) as session:
        row = session.execute(
            "select transaction_id from decisions where request_id = %s", [request_id]
        ).fetchone()
    assert row == (reply.json["transaction_id"],)
    assert [(line["route"], line["status"]) for line in logged] == [("/v1/authorizations", 200)]
    assert api.key not in "\n".join(lines)


def test_the_document_describes_every_route(api: AuthorizerProcess) -> None:
    document = api.call("GET", "/openapi.json", key=None).json
    body = document["components"]["schemas"]["AuthorizationBody"]

    assert set(document["paths"]["/v1/authorizations"]) == {"post"}
    assert set(body["required"]) == {"transaction_id", "user_id", "amount"}
    assert body["additionalProperties"] is False
    assert {"409", "422", "503"} <= set(
        document["paths"]["/v1/authorizations/{transaction_id}/capture"]["post"]["responses"]
    )
