"""API3:2023: callers cannot set internal fields, and responses contain only documented members."""

from typing import Any

import pytest

from tests.authorizer.owasp.conftest import Target

pytestmark = pytest.mark.database


@pytest.mark.parametrize(
    "extra",
    [
        {"status": "PERMIT"}, {"program": "other"}, {"remaining_credit": 10**9}, {"decided_at": "x"},
        {"authorization_id": "auth_1"}, {"is_test": False}, {"key_id": "x"}, {"amount_minor": 1},
        {"is_dry_run": True}, {"dry_run": True}, {"request_id": "x"}, {"ledger_seq": 1},
        {"__proto__": {"status": "PERMIT"}}, {"User_id": "x"}, {"user_id ": "x"}, {"": 1},
    ],
)  # fmt: skip
def test_field_that_callers_may_not_set_is_refused(target: Target, extra: dict[str, Any]) -> None:
    user = target.a_user()
    refused = target.authorize(target.a_body(user) | extra)

    assert (refused.status, refused.problem) == (422, "invalid-request")
    assert target.remaining(user) == 100.0


@pytest.mark.parametrize("kind", ["capture", "void", "refund", "increment"])
def test_extra_field_in_an_action_is_refused(target: Target, kind: str) -> None:
    authorization = target.a_body(target.a_user(), capture=False)
    target.authorize(authorization)
    body = {"amount": 1, f"{kind}_id": "x"} if kind in {"refund", "increment"} else {}

    refused = target.action(authorization["transaction_id"], kind, body | {"state": "captured"})

    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "state")
    path = f"/v1/authorizations/{authorization['transaction_id']}"
    assert target.call("GET", path).json["held_amount"] == 25.0


def test_repeated_json_key_is_refused(target: Target) -> None:
    user = target.a_user()
    body = f'{{"transaction_id":"dup","user_id":"{user}","amount":90,"amount":1}}'.encode()
    escaped = body.replace(b'"amount":1', b'"\\u0061mount":1')

    assert [target.authorize(repeated).status for repeated in (body, escaped)] == [422, 422]
    assert target.remaining(user) == 100.0


def test_responses_contain_only_documented_members(target: Target) -> None:
    user = target.a_user()
    authorization = target.a_body(
        user, metadata={"note": "private"}, callback_url="https://hooks.example.com/"
    )
    target.authorize(authorization)
    state = target.call("GET", f"/v1/authorizations/{authorization['transaction_id']}").json
    credit = target.call("GET", f"/v1/users/{user}/credit").json
    callback = target.call("GET", "/v1/callbacks?limit=1").json["data"][0]

    assert set(state) == {"decision", "state", "held_amount", "captured_amount", "currency"}
    assert set(credit) == {"user_id", "credit"}
    assert set(callback) == {
        "id", "transaction_id", "url", "status", "attempts", "created_at", "next_attempt_at",
        "last_status_code", "last_error",
    }  # fmt: skip
    assert "private" not in str([state, credit, callback])
