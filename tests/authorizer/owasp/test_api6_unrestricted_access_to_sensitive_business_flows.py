"""API6:2023: races, retries and dry runs cannot spend more than the available credit."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.authorizer.owasp.conftest import Target

pytestmark = pytest.mark.database


def concurrent_statuses(target: Target, calls: list[tuple[str, str, Any]]) -> list[int]:
    with ThreadPoolExecutor(16) as pool:
        return [reply.status for reply in pool.map(lambda call: target.action(*call), calls)]


def test_concurrent_captures_capture_a_hold_once(target: Target) -> None:
    user = target.a_user()
    authorization = target.a_body(user, capture=False)
    target.authorize(authorization)
    name = authorization["transaction_id"]

    statuses = concurrent_statuses(
        target, [(name, "capture", {"amount": 10 + n % 2}) for n in range(16)]
    )

    assert sorted(set(statuses)) == [200, 409]
    assert target.remaining(user) in {90.0, 89.0}


def test_concurrent_refunds_never_exceed_the_captured_amount(target: Target) -> None:
    user = target.a_user()
    authorization = target.a_body(user)
    target.authorize(authorization)
    name = authorization["transaction_id"]

    calls = [(name, "refund", {"amount": 10, "refund_id": f"r{n}"}) for n in range(16)]
    statuses = concurrent_statuses(target, calls)

    assert statuses.count(200) == 2
    assert target.remaining(user) == 95.0


def test_concurrent_repeats_of_one_refund_refund_once(target: Target) -> None:
    user = target.a_user()
    authorization = target.a_body(user)
    target.authorize(authorization)

    body = {"amount": 10, "refund_id": "same"}
    assert set(
        concurrent_statuses(target, [(authorization["transaction_id"], "refund", body)] * 16)
    ) == {200}
    assert target.remaining(user) == 85.0


def test_concurrent_void_capture_and_increment_leave_one_outcome(target: Target) -> None:
    user = target.a_user()
    authorization = target.a_body(user, amount=50, capture=False)
    target.authorize(authorization)
    name = authorization["transaction_id"]

    concurrent_statuses(target, [
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


def test_many_dry_runs_spend_nothing(target: Target) -> None:
    user = target.a_user()
    with ThreadPoolExecutor(8) as pool:
        bodies = [target.a_body(user, amount=amount) for amount in range(50, 151)]
        dry_run = lambda body: target.call("POST", "/v1/authorizations?dry_run=true", body)  # noqa: E731
        statuses = [reply.json["status"] for reply in pool.map(dry_run, bodies)]

    assert statuses == ["PERMIT"] * 51 + ["REJECT"] * 50
    assert target.remaining(user) == 100.0


@pytest.mark.parametrize(
    "query", ["dry_run=true&dry_run=false", "dry_run=1", "dry_run=", "dry_run=TRUE"]
)
def test_ambiguous_dry_run_is_refused_and_never_spends(target: Target, query: str) -> None:
    user = target.a_user()
    refused = target.call("POST", f"/v1/authorizations?{query}", target.a_body(user))

    assert refused.problem == "invalid-request"
    assert target.remaining(user) == 100.0
