"""The decision rule for one request, and for batches against a model that decides one at a time."""

import hashlib
import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardops.rules.authorizations.decisions import (
    AccountState,
    AuthorizationRequest,
    BatchState,
    ReasonCode,
    ResponseKind,
    Status,
    StoredDecision,
    check_spending,
    decide_batch,
)
from cardops.rules.authorizations.request_hashes import canonical, request_hash
from tests.factories.authorizations import NOON, PROGRAM, USER, a_request

KEY = (PROGRAM, USER, "USD")


def state_with(available_minor: int, **stored: StoredDecision) -> BatchState:
    accounts = {KEY: AccountState(available_minor, ledger_seq=1)}
    return BatchState(accounts, {(PROGRAM, name): decision for name, decision in stored.items()})


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        (AccountState(2500), ReasonCode.SUFFICIENT_CREDIT),
        (AccountState(2499), ReasonCode.INSUFFICIENT_CREDIT),
        (AccountState(-1), ReasonCode.INSUFFICIENT_CREDIT),
        (AccountState(9999, is_blocked=True), ReasonCode.ACCOUNT_BLOCKED),
        (AccountState(exists=False), ReasonCode.CURRENCY_NOT_SUPPORTED),
        (AccountState(exists=False, is_known_user=False), ReasonCode.UNKNOWN_USER),
    ],
)
def test_available_balance_must_cover_the_amount(account: AccountState, reason: ReasonCode) -> None:
    assert check_spending(2500, account) is reason


def test_later_request_sees_debit_of_earlier_request() -> None:
    requests = [a_request("a", amount_minor=60), a_request("b", amount_minor=60)]

    _, decisions = decide_batch(requests, state_with(100), NOON)

    assert [decision.status for decision in decisions] == [Status.PERMIT, Status.REJECT]
    assert [decision.remaining_minor for decision in decisions] == [40, 40]
    assert [decision.ledger_seq for decision in decisions] == [2, 2]


def test_repeated_id_in_a_batch_is_decided_once() -> None:
    requests = [a_request("a"), a_request("a"), a_request("a", amount_minor=1)]

    responses, decisions = decide_batch(requests, state_with(10_000), NOON)

    assert len(decisions) == 1
    assert [response.kind for response in responses] == [
        ResponseKind.DECIDED,
        ResponseKind.REPLAYED,
        ResponseKind.MISMATCHED,
    ]
    assert responses[0].body == responses[1].body


def test_own_decision_found_after_lost_commit_is_not_a_replay() -> None:
    request = a_request("a")
    responses, _ = decide_batch([request], state_with(10_000), NOON)
    stored = StoredDecision(request.request_hash, responses[0].body)

    again, decisions = decide_batch([request], state_with(0, a=stored), NOON)

    assert again == responses
    assert not decisions


def test_dry_run_does_not_debit_later_requests() -> None:
    requests = [a_request("a", is_dry_run=True), a_request("b")]

    responses, decisions = decide_batch(requests, state_with(2500), NOON)

    assert [decision.request.transaction_id for decision in decisions] == ["b"]
    assert all(b'"PERMIT"' in response.body for response in responses)


def test_void_before_arrival_rejects_the_request() -> None:
    state = state_with(10_000)
    state.tombstones.add((PROGRAM, "a"))

    _, decisions = decide_batch([a_request("a")], state, NOON)

    assert decisions[0].reason_code is ReasonCode.VOIDED_BEFORE_ARRIVAL
    assert decisions[0].remaining_minor == 10_000


@dataclass
class OneAtATime:
    """The obvious model: a balance, a held amount, and a dictionary of decisions."""

    available_minor: int
    held_minor: int = 0
    decisions: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def decide(self, request: AuthorizationRequest) -> tuple[ResponseKind, str]:
        earlier = self.decisions.get(request.transaction_id)
        if earlier is not None:
            is_same = earlier[0] == request.request_hash
            return (ResponseKind.REPLAYED if is_same else ResponseKind.MISMATCHED), earlier[1]
        status = "REJECT"
        if request.amount_minor <= self.available_minor:
            status = "PERMIT"
            self.available_minor -= request.amount_minor
            self.held_minor += 0 if request.is_capture else request.amount_minor
        self.decisions[request.transaction_id] = (request.request_hash, status)
        return ResponseKind.DECIDED, status


REQUESTS = st.builds(
    lambda name, amount, is_capture: a_request(name, amount_minor=amount, is_capture=is_capture),
    st.sampled_from("abcdef"),
    st.integers(1, 60),
    st.booleans(),
)


@given(st.integers(-20, 150), st.lists(REQUESTS, max_size=20))
def test_batch_decides_like_single_requests(
    available_minor: int, requests: list[AuthorizationRequest]
) -> None:
    model, state = OneAtATime(available_minor), state_with(available_minor)

    responses, decisions = decide_batch(requests, state, NOON)

    expected = [model.decide(request) for request in requests]
    assert [response.kind for response in responses] == [kind for kind, _ in expected]
    for response, (kind, status) in zip(responses, expected, strict=True):
        assert kind is ResponseKind.MISMATCHED or f'"{status}"'.encode() in response.body
    account = state.accounts[KEY]
    assert (account.available_minor, account.held_minor) == (
        model.available_minor,
        model.held_minor,
    )
    assert all(
        decision.remaining_minor >= 0 for decision in decisions if decision.status is Status.PERMIT
    )


def hash_with(**fields: object) -> bytes:
    return request_hash(
        USER, 2500, "USD", is_capture=True, callback_url=None, details=dict(fields) or None
    )


def test_equivalent_requests_have_equal_hashes() -> None:
    assert hash_with(metadata={"a": 1, "b": 2.0}) == hash_with(metadata={"b": 2, "a": 1.0})
    assert hash_with(metadata={}) != hash_with(metadata={"a": 1})
    assert hash_with(metadata={"a": {}}) != hash_with(metadata={"a": None})
    assert hash_with(channel="pos") != hash_with()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_canonical_form_is_idempotent(value: object) -> None:
    assert canonical(canonical(value)) == canonical(value)


@pytest.mark.parametrize("is_capture", [True, False])
def test_fast_path_hash_equals_general_hash(*, is_capture: bool) -> None:
    spelled = json.dumps(["u_1.:-", 2500, "USD", is_capture, None, None], separators=(",", ":"))

    hashed = request_hash(
        "u_1.:-", 2500, "USD", is_capture=is_capture, callback_url=None, details={}
    )

    assert hashed == hashlib.sha256(spelled.encode()).digest()
