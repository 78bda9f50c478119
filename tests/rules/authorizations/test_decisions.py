"""The rule that decides, for one question and for a batch against one that asks one at a time."""

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


def state_with(available_minor: int, **known: StoredDecision) -> BatchState:
    accounts = {KEY: AccountState(available_minor, ledger_seq=1)}
    return BatchState(accounts, {(PROGRAM, name): one for name, one in known.items()})


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
def test_only_what_the_available_balance_covers_is_permitted(
    account: AccountState, reason: ReasonCode
) -> None:
    assert check_spending(2500, account) is reason


def test_a_later_question_sees_what_an_earlier_one_took() -> None:
    requests = [a_request("a", amount_minor=60), a_request("b", amount_minor=60)]

    _, decisions = decide_batch(requests, state_with(100), NOON)

    assert [one.status for one in decisions] == [Status.PERMIT, Status.REJECT]
    assert [one.remaining_minor for one in decisions] == [40, 40]
    assert [one.ledger_seq for one in decisions] == [2, 2]


def test_an_id_asked_twice_in_a_batch_is_decided_once() -> None:
    requests = [a_request("a"), a_request("a"), a_request("a", amount_minor=1)]

    responses, decisions = decide_batch(requests, state_with(10_000), NOON)

    assert len(decisions) == 1
    assert [one.kind for one in responses] == [
        ResponseKind.DECIDED,
        ResponseKind.REPLAYED,
        ResponseKind.MISMATCHED,
    ]
    assert responses[0].body == responses[1].body


def test_a_decision_found_after_a_lost_commit_is_no_replay() -> None:
    request = a_request("a")
    responses, _ = decide_batch([request], state_with(10_000), NOON)
    known = StoredDecision(request.request_hash, responses[0].body)

    again, decisions = decide_batch([request], state_with(0, a=known), NOON)

    assert again == responses
    assert not decisions


def test_a_dry_run_takes_nothing_from_those_behind_it() -> None:
    requests = [a_request("a", is_dry_run=True), a_request("b")]

    responses, decisions = decide_batch(requests, state_with(2500), NOON)

    assert [one.request.transaction_id for one in decisions] == ["b"]
    assert all(b'"PERMIT"' in response.body for response in responses)


def test_a_void_that_came_first_rejects() -> None:
    state = state_with(10_000)
    state.tombstones.add((PROGRAM, "a"))

    _, decisions = decide_batch([a_request("a")], state, NOON)

    assert decisions[0].reason_code is ReasonCode.VOIDED_BEFORE_ARRIVAL
    assert decisions[0].remaining_minor == 10_000


@dataclass
class OneAtATime:
    """The obvious model: a balance, a held sum, a dictionary of what was said."""

    available_minor: int
    held_minor: int = 0
    said: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def ask(self, request: AuthorizationRequest) -> tuple[ResponseKind, str]:
        earlier = self.said.get(request.transaction_id)
        if earlier is not None:
            is_same = earlier[0] == request.request_hash
            return (ResponseKind.REPLAYED if is_same else ResponseKind.MISMATCHED), earlier[1]
        status = "REJECT"
        if request.amount_minor <= self.available_minor:
            status = "PERMIT"
            self.available_minor -= request.amount_minor
            self.held_minor += 0 if request.is_capture else request.amount_minor
        self.said[request.transaction_id] = (request.request_hash, status)
        return ResponseKind.DECIDED, status


asked = st.builds(
    lambda name, amount, is_capture: a_request(name, amount_minor=amount, is_capture=is_capture),
    st.sampled_from("abcdef"),
    st.integers(1, 60),
    st.booleans(),
)


@given(st.integers(-20, 150), st.lists(asked, max_size=20))
def test_a_batch_decides_as_if_asked_one_at_a_time(
    available_minor: int, requests: list[AuthorizationRequest]
) -> None:
    model, state = OneAtATime(available_minor), state_with(available_minor)

    responses, decisions = decide_batch(requests, state, NOON)

    expected = [model.ask(request) for request in requests]
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


def test_questions_that_mean_the_same_have_one_hash() -> None:
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
def test_the_canonical_form_is_its_own_canonical_form(value: object) -> None:
    assert canonical(canonical(value)) == canonical(value)


@pytest.mark.parametrize("is_capture", [True, False])
def test_the_usual_question_is_hashed_in_the_spelling_of_all_others(*, is_capture: bool) -> None:
    spelled = json.dumps(["u_1.:-", 2500, "USD", is_capture, None, None], separators=(",", ":"))

    hashed = request_hash(
        "u_1.:-", 2500, "USD", is_capture=is_capture, callback_url=None, details={}
    )

    assert hashed == hashlib.sha256(spelled.encode()).digest()
