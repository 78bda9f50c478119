"""API1:2023: ids of another program are unknown on every route that takes one."""

from typing import Any

import pytest

from tests.authorizer.owasp.conftest import Target

pytestmark = pytest.mark.database
ALL = ("authorizations:read", "authorizations:write", "callbacks:admin")
ACTIONS = [
    ("capture", None),
    ("capture", {"amount": 1}),
    ("refund", {"amount": 1, "refund_id": "r"}),
    ("increment", {"amount": 1, "increment_id": "i"}),
]


@pytest.mark.parametrize(("kind", "body"), ACTIONS)
def test_action_on_another_programs_authorization_is_not_found(
    target: Target, kind: str, body: Any
) -> None:
    user = target.a_user()
    authorization = target.a_body(user, capture=kind == "refund")
    target.authorize(authorization)
    path = f"/v1/authorizations/{authorization['transaction_id']}"
    before = target.call("GET", path).body

    foreign = target.action(
        authorization["transaction_id"], kind, body, key=target.a_key(*ALL, program="other")
    )
    unknown = target.action("never_seen", kind, body, key=target.a_key(*ALL, program="other"))

    assert foreign.problem == "not-found"
    assert foreign.body == unknown.body, "another program's id must look like an unknown id"
    assert target.call("GET", path).body == before


def test_void_by_another_program_does_not_affect_ours(target: Target) -> None:
    user = target.a_user()
    authorization = target.a_body(user, capture=False)
    target.authorize(authorization)
    other_key = target.a_key(*ALL, program="other")

    assert (
        target.action(authorization["transaction_id"], "void", key=other_key).json["decision"]
        is None
    )
    ours = target.call("GET", f"/v1/authorizations/{authorization['transaction_id']}")
    assert ours.json["state"] == "held"


def test_reading_another_programs_objects_finds_nothing(target: Target) -> None:
    user = target.a_user()
    authorization = target.a_body(user, callback_url="https://hooks.example.com/x")
    target.authorize(authorization)
    other_key = target.a_key(*ALL, program="other")
    (callback,) = [
        candidate
        for candidate in target.call("GET", "/v1/callbacks?limit=100").json["data"]
        if candidate["transaction_id"] == authorization["transaction_id"]
    ]
    paths = [f"/v1/authorizations/{authorization['transaction_id']}", f"/v1/users/{user}/credit"]

    assert [target.call("GET", path, key=other_key).problem for path in paths] == ["not-found"] * 2
    replay = f"/v1/callbacks/{callback['id']}/replay"
    assert target.call("POST", replay, key=other_key).problem == "not-found"
    assert target.call("GET", "/v1/callbacks", key=other_key).json["data"] == []
    cursor = target.call("GET", f"/v1/callbacks?cursor={callback['id']}", key=other_key)
    assert cursor.json == {"data": [], "next_cursor": None}


def test_another_programs_user_is_an_unknown_user(target: Target) -> None:
    user = target.a_user()
    other_key = target.a_key(*ALL, program="other")

    reply = target.authorize(target.a_body(user), key=other_key)

    assert (reply.json["reason_code"], reply.json["remaining_credit"]) == ("unknown_user", 0.0)
    assert target.remaining(user) == 100.0


def test_same_id_in_two_programs_is_two_decisions(target: Target) -> None:
    mine = target.a_body(target.a_user())
    theirs = mine | {"user_id": target.a_user(program="other"), "amount": 1}

    first = target.authorize(mine)
    second = target.authorize(theirs, key=target.a_key(*ALL, program="other"))

    assert (first.json["status"], second.json["status"]) == ("PERMIT", "PERMIT")
    assert target.authorize(mine).body == first.body
