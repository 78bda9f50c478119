"""API3:2023: nobody sets what is not theirs to set, and answers carry only what they should."""

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
def test_a_field_that_is_not_the_callers_is_refused(target: Target, extra: dict[str, Any]) -> None:
    user = target.a_user()
    refused = target.ask(target.a_body(user) | extra)

    assert (refused.status, refused.problem) == (422, "invalid-request")
    assert target.remaining(user) == 100.0


@pytest.mark.parametrize("kind", ["capture", "void", "refund", "increment"])
def test_so_it_is_with_moves(target: Target, kind: str) -> None:
    asked = target.a_body(target.a_user(), capture=False)
    target.ask(asked)
    body = {"amount": 1, f"{kind}_id": "x"} if kind in {"refund", "increment"} else {}

    refused = target.action(asked["transaction_id"], kind, body | {"state": "captured"})

    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "state")
    path = f"/v1/authorizations/{asked['transaction_id']}"
    assert target.call("GET", path).json["held_amount"] == 25.0


def test_a_repeated_key_never_lets_the_second_value_win(target: Target) -> None:
    user = target.a_user()
    body = f'{{"transaction_id":"dup","user_id":"{user}","amount":90,"amount":1}}'.encode()
    escaped = body.replace(b'"amount":1', b'"\\u0061mount":1')

    assert [target.ask(one).status for one in (body, escaped)] == [422, 422]
    assert target.remaining(user) == 100.0


def test_answers_carry_their_documented_members_only(target: Target) -> None:
    user = target.a_user()
    asked = target.a_body(
        user, metadata={"note": "private"}, callback_url="https://hooks.example.com/"
    )
    target.ask(asked)
    state = target.call("GET", f"/v1/authorizations/{asked['transaction_id']}").json
    credit = target.call("GET", f"/v1/users/{user}/credit").json
    callback = target.call("GET", "/v1/callbacks?limit=1").json["data"][0]

    assert set(state) == {"decision", "state", "held_amount", "captured_amount", "currency"}
    assert set(credit) == {"user_id", "credit"}
    assert set(callback) == {
        "id", "transaction_id", "url", "status", "attempts", "created_at", "next_attempt_at",
        "last_status_code", "last_error",
    }  # fmt: skip
    assert "private" not in str([state, credit, callback])
