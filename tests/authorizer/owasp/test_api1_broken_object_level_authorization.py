"""API1:2023: another program's ids are worth nothing, on every route that takes one."""

from typing import Any

import pytest

from tests.authorizer.owasp.conftest import Target

pytestmark = pytest.mark.database
ALL = ("authorizations:read", "authorizations:write", "callbacks:admin")
MOVES = [
    ("capture", None),
    ("capture", {"amount": 1}),
    ("refund", {"amount": 1, "refund_id": "r"}),
    ("increment", {"amount": 1, "increment_id": "i"}),
]


@pytest.mark.parametrize(("kind", "body"), MOVES)
def test_a_move_of_anothers_authorization_is_not_found_and_moves_nothing(
    target: Target, kind: str, body: Any
) -> None:
    user = target.a_user()
    asked = target.a_body(user, capture=kind == "refund")
    target.ask(asked)
    path = f"/v1/authorizations/{asked['transaction_id']}"
    before = target.call("GET", path).body

    foreign = target.action(
        asked["transaction_id"], kind, body, key=target.a_key(*ALL, program="other")
    )
    unknown = target.action("never_seen", kind, body, key=target.a_key(*ALL, program="other"))

    assert foreign.problem == "not-found"
    assert foreign.body == unknown.body, "what exists elsewhere must look like what does not"
    assert target.call("GET", path).body == before


def test_a_void_by_another_program_voids_only_its_own_future(target: Target) -> None:
    user = target.a_user()
    asked = target.a_body(user, capture=False)
    target.ask(asked)
    stranger = target.a_key(*ALL, program="other")

    assert target.action(asked["transaction_id"], "void", key=stranger).json["decision"] is None
    kept = target.call("GET", f"/v1/authorizations/{asked['transaction_id']}")
    assert kept.json["state"] == "held"


def test_reading_anothers_objects_finds_nothing(target: Target) -> None:
    user = target.a_user()
    asked = target.a_body(user, callback_url="https://hooks.example.com/x")
    target.ask(asked)
    stranger = target.a_key(*ALL, program="other")
    (callback,) = [
        one
        for one in target.call("GET", "/v1/callbacks?limit=100").json["data"]
        if one["transaction_id"] == asked["transaction_id"]
    ]
    paths = [f"/v1/authorizations/{asked['transaction_id']}", f"/v1/users/{user}/credit"]

    assert [target.call("GET", path, key=stranger).problem for path in paths] == ["not-found"] * 2
    replay = f"/v1/callbacks/{callback['id']}/replay"
    assert target.call("POST", replay, key=stranger).problem == "not-found"
    assert target.call("GET", "/v1/callbacks", key=stranger).json["data"] == []
    cursor = target.call("GET", f"/v1/callbacks?cursor={callback['id']}", key=stranger)
    assert cursor.json == {"data": [], "next_cursor": None}


def test_spending_another_programs_user_looks_like_an_unknown_one(target: Target) -> None:
    user = target.a_user()
    stranger = target.a_key(*ALL, program="other")

    reply = target.ask(target.a_body(user), key=stranger)

    assert (reply.json["reason_code"], reply.json["remaining_credit"]) == ("unknown_user", 0.0)
    assert target.remaining(user) == 100.0


def test_the_same_id_in_two_programs_is_two_decisions(target: Target) -> None:
    mine = target.a_body(target.a_user())
    theirs = mine | {"user_id": target.a_user(program="other"), "amount": 1}

    first = target.ask(mine)
    second = target.ask(theirs, key=target.a_key(*ALL, program="other"))

    assert (first.json["status"], second.json["status"]) == ("PERMIT", "PERMIT")
    assert target.ask(mine).body == first.body
