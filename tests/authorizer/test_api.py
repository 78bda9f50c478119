"""The HTTP API as its contract says, over real HTTP on a real database."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cardops.adapters.postgresql.connection import connect
from tests.builders.authorizer_process import AuthorizerProcess, Reply

pytestmark = pytest.mark.database

_numbers = count(1)


@pytest.fixture(scope="module")
def api(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthorizerProcess]:
    with AuthorizerProcess(module_database_url, tmp_path_factory.mktemp("home")) as process:
        yield process


@pytest.fixture
def user(api: AuthorizerProcess) -> str:
    """A user with 100.00 USD, of one test alone."""
    name = f"user_{next(_numbers)}"
    api.credit(name, 10_000)
    return name


def a_body(user: str, **fields: Any) -> dict[str, Any]:
    return {"transaction_id": f"txn_{next(_numbers)}", "user_id": user, "amount": 25.00} | fields


def raw(user: str, amount: str) -> bytes:
    return (
        f'{{"transaction_id":"txn_{next(_numbers)}","user_id":"{user}","amount":{amount}}}'
    ).encode()


def credit_of(api: AuthorizerProcess, user: str) -> dict[str, Any]:
    (found,) = api.call("GET", f"/v1/users/{user}/credit").json["credit"]
    assert isinstance(found, dict)
    return found


def test_a_permit_has_every_member_and_exact_digits(api: AuthorizerProcess, user: str) -> None:
    reply = api.ask(a_body(user, transaction_id="exact"))

    assert reply.status == 200
    assert list(reply.json) == [
        "transaction_id", "authorization_id", "status", "reason_code", "reason", "amount",
        "currency", "remaining_credit", "decided_at", "as_of",
    ]  # fmt: skip
    assert b'"amount":25.00,"currency":"USD","remaining_credit":75.00' in reply.body
    assert re.fullmatch(r"2.*Z", reply.json["decided_at"])
    assert "idempotent-replayed" not in reply.headers


@pytest.mark.parametrize("amount", ["25", "25.0", "25.00", '"25"', '"25.00"', '"\\u0032\\u0035"'])
def test_an_amount_is_read_exactly_from_number_or_text(
    api: AuthorizerProcess, user: str, amount: str
) -> None:
    assert b'"amount":25.00' in api.ask(raw(user, amount)).body


@pytest.mark.parametrize(
    "amount",
    [
        "0", "-1", "-0", "1e3", "1E3", "25.001", "NaN", "Infinity", "true", "null", "[]", "{}",
        "025", "25.", ".5", "90071992547409.92", "9" * 5000, '""', '"1_000"', '" 25 "', '"+25"',
        '"1,000"', '"25.00 USD"', '"٢٥"', '"NaN"', '"1e3"', '"-25"', '"0x10"', '"25\\u0000"',
    ],
)  # fmt: skip
def test_what_is_no_plain_amount_is_refused_and_uses_up_no_id(
    api: AuthorizerProcess, user: str, amount: str
) -> None:
    body = raw(user, amount)
    refused = api.ask(body)

    assert (refused.status, refused.problem) == (422, "invalid-request")
    assert api.ask({**json.loads(raw(user, "1")), "user_id": user}).status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"transaction_id": ""}, {"transaction_id": "."}, {"transaction_id": ".."},
        {"transaction_id": "a b"}, {"transaction_id": "a\n"}, {"transaction_id": "a" * 65},
        {"transaction_id": 5}, {"user_id": None}, {"user_id": "ü"}, {"user_id": "a\u0000"},
        {"currency": "usd"}, {"currency": "XXX"}, {"currency": "US"}, {"capture": 1},
        {"capture": "true"}, {"surprise": 1}, {"merchant": {"surprise": 1}}, {"merchant": []},
        {"merchant": {"mcc": "12"}}, {"merchant": {"mcc": 5411}}, {"channel": "E COM"},
        {"merchant": {"name": "a\u0000"}}, {"metadata": []}, {"metadata": {"a": "\u0000"}},
        {"metadata": {"a": 2**53}}, {"metadata": {"a": 2**70}}, {"callback_url": "http://x.example"},
        {"callback_url": "https://unregistered.example/"}, {"callback_url": 5},
    ],
)  # fmt: skip
def test_an_invalid_field_is_named(
    api: AuthorizerProcess, user: str, change: dict[str, Any]
) -> None:
    refused = api.ask(a_body(user, **change))

    assert (refused.status, refused.problem) == (422, "invalid-request")
    assert refused.json["errors"]
    assert refused.json["errors"][0]["field"].split(".")[0] in {*change, "surprise", "mcc"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"text"', b"{} {}", b"\xef\xbb\xbf{}", b"\xff", b"[" * 9000,
        b'{"transaction_id":"t","user_id":"u","amount":1,"amount":2}',
        b'{"transaction_id":"t","user_id":"u","amount":1,"merchant":{"id":"a","id":"b"}}',
        b'{"transaction_id":"t","user_id":"u","amount":1,"metadata":{"a":{"b":1,"b":1}}}',
        b'{"transaction_id":"t","user_id":"u","amount":1,"metadata":{"a":"\\ud800"}}',
        b'{"transaction_id":"t","user_id":"u","amount":1,"metadata":'
        + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}",
    ],
)  # fmt: skip
def test_a_body_that_is_not_one_plain_object_is_refused(
    api: AuthorizerProcess, body: bytes
) -> None:
    refused = api.ask(body)

    assert (refused.status, refused.problem) == (422, "invalid-request")


def test_the_same_question_in_another_spelling_is_replayed(
    api: AuthorizerProcess, user: str
) -> None:
    body = a_body(user, metadata={"a": 1, "b": 2.0})
    first = api.ask(body)
    again = api.ask(
        {**body, "amount": "25.0", "currency": "USD", "capture": True, "metadata": {"b": 2, "a": 1}}
    )

    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    "change",
    [{"amount": 26}, {"capture": False}, {"channel": "pos"}, {"metadata": {"a": 1}},
     {"merchant": {"id": "m"}}, {"callback_url": "https://hooks.example.com/"}, {"user_id": "u"}],
)  # fmt: skip
def test_another_question_with_the_same_id_is_refused(
    api: AuthorizerProcess, user: str, change: dict[str, Any]
) -> None:
    body = a_body(user)
    api.ask(body)
    refused = api.ask(body | change)

    assert (refused.status, refused.problem) == (422, "idempotency-mismatch")


def test_of_racing_first_questions_one_is_decided_and_the_others_refused_or_replayed(
    api: AuthorizerProcess, user: str
) -> None:
    body = a_body(user)
    bodies = [body, {**body, "amount": 1}] * 8
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(api.ask, bodies))

    decided = {reply.body for reply in replies if reply.status == 200}
    assert len(decided) == 1
    assert {reply.status for reply in replies} == {200, 422}
    assert sum(reply.status == 200 for reply in replies) == 8


def test_many_parallel_questions_of_one_user_never_overdraw(
    api: AuthorizerProcess, user: str
) -> None:
    with ThreadPoolExecutor(24) as pool:
        replies = list(pool.map(api.ask, [a_body(user, amount=3) for _ in range(60)]))

    assert sum(reply.json["status"] == "PERMIT" for reply in replies) == 33
    assert credit_of(api, user)["remaining_credit"] == 1.0


def test_a_dry_run_writes_nothing(api: AuthorizerProcess, user: str) -> None:
    body = a_body(user)
    dry = api.call("POST", "/v1/authorizations?dry_run=true", body)

    assert dry.json["status"] == "PERMIT"
    assert api.call("GET", f"/v1/authorizations/{body['transaction_id']}").status == 404
    assert api.call("POST", "/v1/authorizations?dry_run=maybe", body).status == 422
    assert credit_of(api, user)["remaining_credit"] == 100.0


def moved(api: AuthorizerProcess, transaction_id: str, kind: str, body: Any = None) -> Reply:
    return api.call("POST", f"/v1/authorizations/{transaction_id}/{kind}", body)


def test_a_hold_goes_its_way_over_http(api: AuthorizerProcess, user: str) -> None:
    body = a_body(user, capture=False)
    name = body["transaction_id"]
    answer = api.ask(body)

    held = api.call("GET", f"/v1/authorizations/{name}")
    assert held.body == (
        b'{"decision":' + answer.body + b',"state":"held","held_amount":25.00,'
        b'"captured_amount":0.00,"currency":"USD"}'
    )
    raised = moved(api, name, "increment", {"amount": 5, "increment_id": "i"})
    assert raised.json["increment"] == {
        "id": "i", "status": "PERMIT", "reason_code": "sufficient_credit", "amount": 5.0,
    }  # fmt: skip
    assert moved(api, name, "capture", {"amount": "30.01"}).status == 422
    captured = moved(api, name, "capture", {"amount": "10.00"})
    assert (captured.json["state"], captured.json["captured_amount"]) == ("captured", 10.0)
    assert moved(api, name, "capture", {"amount": 10}).body == captured.body
    refused = moved(api, name, "capture", {"amount": 11})
    assert (refused.status, refused.problem, refused.json["state"]) == (
        409,
        "invalid-state",
        "captured",
    )
    assert moved(api, name, "void").status == 409
    refund = {"amount": 4, "refund_id": "r"}
    assert moved(api, name, "refund", refund).body == moved(api, name, "refund", refund).body
    assert moved(api, name, "refund", {"amount": 5, "refund_id": "r"}).status == 422
    assert moved(api, name, "refund", {"amount": 6.01, "refund_id": "r2"}).status == 422
    assert credit_of(api, user) == {
        "currency": "USD", "remaining_credit": 94.0, "held": 0.0, "ledger_balance": 94.0,
    }  # fmt: skip


def test_a_void_of_an_id_not_seen_yet_leaves_a_tombstone(api: AuthorizerProcess, user: str) -> None:
    body = a_body(user)
    first = moved(api, body["transaction_id"], "void")

    assert (first.status, first.json["state"], first.json["decision"]) == (200, "voided", None)
    assert moved(api, body["transaction_id"], "void", {}).body == first.body
    assert api.ask(body).json["reason_code"] == "voided_before_arrival"


@pytest.mark.parametrize("kind", ["capture", "refund", "increment"])
def test_a_move_of_an_unknown_id_is_not_found(api: AuthorizerProcess, kind: str) -> None:
    body = {"amount": 1} | ({} if kind == "capture" else {f"{kind}_id": "x"})

    assert moved(api, "unknown", kind, body).problem == "not-found"


def test_another_program_finds_nothing(api: AuthorizerProcess, user: str) -> None:
    body = a_body(user)
    api.ask(body)
    stranger = api.programs.create_key(
        "other", "s", ["authorizations:read", "authorizations:write"], is_test=False
    ).key
    path = f"/v1/authorizations/{body['transaction_id']}"

    assert api.call("GET", path, key=stranger).problem == "not-found"
    assert api.call("GET", f"/v1/users/{user}/credit", key=stranger).problem == "not-found"
    assert api.ask(body, key=stranger).json["reason_code"] == "unknown_user"
    assert credit_of(api, user)["remaining_credit"] == 75.0


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
