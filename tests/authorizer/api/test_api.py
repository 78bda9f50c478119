"""Decisions and actions over real HTTP on a real database."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.factories.request_bodies import a_body, apply_action, credit_of, raw_body
from tests.servers.authorizer_process import AuthorizerProcess

pytestmark = pytest.mark.database


def test_permit_has_every_member_and_exact_digits(api: AuthorizerProcess, user: str) -> None:
    reply = api.authorize(a_body(user, transaction_id="exact"))

    assert reply.status == 200
    assert list(reply.json) == [
        "transaction_id", "authorization_id", "status", "reason_code", "reason", "amount",
        "currency", "remaining_credit", "decided_at", "as_of",
    ]  # fmt: skip
    assert b'"amount":25.00,"currency":"USD","remaining_credit":75.00' in reply.body
    assert re.fullmatch(r"2.*Z", reply.json["decided_at"])
    assert "idempotent-replayed" not in reply.headers


@pytest.mark.parametrize("amount", ["25", "25.0", "25.00", '"25"', '"25.00"', '"\\u0032\\u0035"'])
def test_amount_is_read_exactly_from_a_number_or_a_string(
    api: AuthorizerProcess, user: str, amount: str
) -> None:
    assert b'"amount":25.00' in api.authorize(raw_body(user, amount)).body


@pytest.mark.parametrize(
    "amount",
    [
        "0", "-1", "-0", "1e3", "1E3", "25.001", "NaN", "Infinity", "true", "null", "[]", "{}",
        "025", "25.", ".5", "90071992547409.92", "9" * 5000, '""', '"1_000"', '" 25 "', '"+25"',
        '"1,000"', '"25.00 USD"', '"٢٥"', '"NaN"', '"1e3"', '"-25"', '"0x10"', '"25\\u0000"',
    ],
)  # fmt: skip
def test_invalid_amount_is_refused_and_uses_up_no_id(
    api: AuthorizerProcess, user: str, amount: str
) -> None:
    body = raw_body(user, amount)
    refused = api.authorize(body)

    assert (refused.status, refused.problem) == (422, "invalid-request")
    assert api.authorize({**json.loads(raw_body(user, "1")), "user_id": user}).status == 200


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
def test_invalid_field_is_named(api: AuthorizerProcess, user: str, change: dict[str, Any]) -> None:
    refused = api.authorize(a_body(user, **change))

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
def test_malformed_body_is_refused(api: AuthorizerProcess, body: bytes) -> None:
    refused = api.authorize(body)

    assert (refused.status, refused.problem) == (422, "invalid-request")


def test_same_request_spelled_differently_is_replayed(api: AuthorizerProcess, user: str) -> None:
    body = a_body(user, metadata={"a": 1, "b": 2.0})
    first = api.authorize(body)
    again = api.authorize(
        {**body, "amount": "25.0", "currency": "USD", "capture": True, "metadata": {"b": 2, "a": 1}}
    )

    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    "change",
    [{"amount": 26}, {"capture": False}, {"channel": "pos"}, {"metadata": {"a": 1}},
     {"merchant": {"id": "m"}}, {"callback_url": "https://hooks.example.com/"}, {"user_id": "u"}],
)  # fmt: skip
def test_different_request_with_the_same_id_is_refused(
    api: AuthorizerProcess, user: str, change: dict[str, Any]
) -> None:
    body = a_body(user)
    api.authorize(body)
    refused = api.authorize(body | change)

    assert (refused.status, refused.problem) == (422, "idempotency-mismatch")


def test_racing_requests_with_one_id_are_decided_once(api: AuthorizerProcess, user: str) -> None:
    body = a_body(user)
    bodies = [body, {**body, "amount": 1}] * 8
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(api.authorize, bodies))

    decided = {reply.body for reply in replies if reply.status == 200}
    assert len(decided) == 1
    assert {reply.status for reply in replies} == {200, 422}
    assert sum(reply.status == 200 for reply in replies) == 8


def test_parallel_requests_of_one_user_never_overdraw(api: AuthorizerProcess, user: str) -> None:
    with ThreadPoolExecutor(24) as pool:
        replies = list(pool.map(api.authorize, [a_body(user, amount=3) for _ in range(60)]))

    assert sum(reply.json["status"] == "PERMIT" for reply in replies) == 33
    assert credit_of(api, user)["remaining_credit"] == 1.0


def test_dry_run_stores_nothing(api: AuthorizerProcess, user: str) -> None:
    body = a_body(user)
    dry = api.call("POST", "/v1/authorizations?dry_run=true", body)

    assert dry.json["status"] == "PERMIT"
    assert api.call("GET", f"/v1/authorizations/{body['transaction_id']}").status == 404
    for unknown in ("dry_run=maybe", "dryrun=true", "dry_run=true&DRY_RUN=true", "x"):
        assert api.call("POST", f"/v1/authorizations?{unknown}", body).status == 422
    assert credit_of(api, user)["remaining_credit"] == 100.0


@pytest.mark.parametrize("query", ["dry_run=true", "x", "amount=1.00"])
def test_query_of_a_path_without_parameters_is_refused(
    api: AuthorizerProcess, user: str, query: str
) -> None:
    body = a_body(user, capture=False)
    api.authorize(body)
    path = f"/v1/authorizations/{body['transaction_id']}"
    increment = {"amount": 1.00, "increment_id": "i"}
    refused = [
        api.call("POST", f"{path}/increment?{query}", increment),
        api.call("POST", f"{path}/capture?{query}", {"amount": 5.00}),
        api.call("POST", f"{path}/capture?{query}"),
        api.call("POST", f"{path}/void?{query}"),
        api.call("POST", f"{path}/refund?{query}", {"amount": 1.00, "refund_id": "r"}),
        api.call("GET", f"{path}?{query}"),
        api.call("GET", f"/v1/users/{user}/credit?{query}"),
        api.call("POST", f"/v1/callbacks/cb_1/replay?{query}"),
    ]

    assert {(reply.status, reply.problem) for reply in refused} == {(422, "invalid-request")}
    assert api.call("GET", path).json["state"] == "held"
    assert credit_of(api, user)["held"] == 25.00


def test_hold_is_incremented_captured_and_refunded(api: AuthorizerProcess, user: str) -> None:
    body = a_body(user, capture=False)
    name = body["transaction_id"]
    response = api.authorize(body)

    held = api.call("GET", f"/v1/authorizations/{name}")
    assert held.body == (
        b'{"decision":' + response.body + b',"state":"held","held_amount":25.00,'
        b'"captured_amount":0.00,"currency":"USD"}'
    )
    raised = apply_action(api, name, "increment", {"amount": 5, "increment_id": "i"})
    assert raised.json["increment"] == {
        "id": "i", "status": "PERMIT", "reason_code": "sufficient_credit", "amount": 5.0,
    }  # fmt: skip
    assert apply_action(api, name, "capture", {"amount": "30.01"}).status == 422
    captured = apply_action(api, name, "capture", {"amount": "10.00"})
    assert (captured.json["state"], captured.json["captured_amount"]) == ("captured", 10.0)
    assert apply_action(api, name, "capture", {"amount": 10}).body == captured.body
    refused = apply_action(api, name, "capture", {"amount": 11})
    assert (refused.status, refused.problem, refused.json["state"]) == (
        409,
        "invalid-state",
        "captured",
    )
    assert apply_action(api, name, "void").status == 409
    refund = {"amount": 4, "refund_id": "r"}
    assert (
        apply_action(api, name, "refund", refund).body
        == apply_action(api, name, "refund", refund).body
    )
    assert apply_action(api, name, "refund", {"amount": 5, "refund_id": "r"}).status == 422
    assert apply_action(api, name, "refund", {"amount": 6.01, "refund_id": "r2"}).status == 422
    assert credit_of(api, user) == {
        "currency": "USD", "remaining_credit": 94.0, "held": 0.0, "ledger_balance": 94.0,
    }  # fmt: skip


def test_void_of_an_unknown_id_rejects_its_later_request(api: AuthorizerProcess, user: str) -> None:
    body = a_body(user)
    first = apply_action(api, body["transaction_id"], "void")

    assert (first.status, first.json["state"], first.json["decision"]) == (200, "voided", None)
    assert apply_action(api, body["transaction_id"], "void", {}).body == first.body
    assert api.authorize(body).json["reason_code"] == "voided_before_arrival"


@pytest.mark.parametrize("kind", ["capture", "refund", "increment"])
def test_action_on_an_unknown_id_is_not_found(api: AuthorizerProcess, kind: str) -> None:
    body = {"amount": 1} | ({} if kind == "capture" else {f"{kind}_id": "x"})

    assert apply_action(api, "unknown", kind, body).problem == "not-found"


def test_another_program_finds_nothing(api: AuthorizerProcess, user: str) -> None:
    body = a_body(user)
    api.authorize(body)
    other_key = api.programs.create_key(
        "other", "k", ["authorizations:read", "authorizations:write"], is_test=False
    ).key
    path = f"/v1/authorizations/{body['transaction_id']}"

    assert api.call("GET", path, key=other_key).problem == "not-found"
    assert api.call("GET", f"/v1/users/{user}/credit", key=other_key).problem == "not-found"
    assert api.authorize(body, key=other_key).json["reason_code"] == "unknown_user"
    assert credit_of(api, user)["remaining_credit"] == 75.0
