"""API6:2023: spending cannot be automated past what is there: not by races, retries or tricks."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.authorizer.owasp.conftest import Target

pytestmark = pytest.mark.database


def together(target: Target, calls: list[tuple[str, str, Any]]) -> list[int]:
    with ThreadPoolExecutor(16) as pool:
        return [reply.status for reply in pool.map(lambda one: target.action(*one), calls)]


def test_a_hold_captured_many_times_at_once_is_captured_once(target: Target) -> None:
    user = target.a_user()
    asked = target.a_body(user, capture=False)
    target.ask(asked)
    name = asked["transaction_id"]

    statuses = together(target, [(name, "capture", {"amount": 10 + n % 2}) for n in range(16)])

    assert sorted(set(statuses)) == [200, 409]
    assert target.remaining(user) in {90.0, 89.0}


def test_refunds_at_once_never_pass_what_was_captured(target: Target) -> None:
    user = target.a_user()
    asked = target.a_body(user)
    target.ask(asked)
    name = asked["transaction_id"]

    calls = [(name, "refund", {"amount": 10, "refund_id": f"r{n}"}) for n in range(16)]
    statuses = together(target, calls)

    assert statuses.count(200) == 2
    assert target.remaining(user) == 95.0


def test_one_refund_repeated_at_once_is_one_refund(target: Target) -> None:
    user = target.a_user()
    asked = target.a_body(user)
    target.ask(asked)

    body = {"amount": 10, "refund_id": "same"}
    assert set(together(target, [(asked["transaction_id"], "refund", body)] * 16)) == {200}
    assert target.remaining(user) == 85.0


def test_void_capture_and_increment_at_once_leave_one_outcome(target: Target) -> None:
    user = target.a_user()
    asked = target.a_body(user, amount=50, capture=False)
    target.ask(asked)
    name = asked["transaction_id"]

    together(target, [
        (name, kind, body)
        for n in range(5)
        for kind, body in (
            ("void", None),
            ("capture", {"amount": 20}),
            ("increment", {"amount": 1, "increment_id": f"i{n}"}),
        )
    ])  # fmt: skip
    state = target.call("GET", f"/v1/authorizations/{name}").json

    assert state["state"] in {"voided", "captured"}
    assert state["held_amount"] == 0
    assert target.remaining(user) == (100.0 if state["state"] == "voided" else 80.0)


def test_dry_runs_by_the_hundred_find_the_edge_but_spend_nothing(target: Target) -> None:
    user = target.a_user()
    with ThreadPoolExecutor(8) as pool:
        asked = [target.a_body(user, amount=amount) for amount in range(50, 151)]
        dry = lambda body: target.call("POST", "/v1/authorizations?dry_run=true", body)  # noqa: E731
        found = [reply.json["status"] for reply in pool.map(dry, asked)]

    assert found == ["PERMIT"] * 51 + ["REJECT"] * 50
    assert target.remaining(user) == 100.0


@pytest.mark.parametrize(
    "query", ["dry_run=true&dry_run=false", "dry_run=1", "dry_run=", "dry_run=TRUE"]
)
def test_an_unclear_dry_run_is_refused_and_never_spends(target: Target, query: str) -> None:
    user = target.a_user()
    refused = target.call("POST", f"/v1/authorizations?{query}", target.a_body(user))

    assert refused.problem == "invalid-request"
    assert target.remaining(user) == 100.0
