"""Which action is allowed in which state, and what it changes."""

from datetime import timedelta

import pytest

from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
    Movement,
    StoredAction,
)
from cardops.rules.authorizations.actions import decide_action as decide
from cardops.rules.authorizations.decisions import AccountState, Status
from cardops.rules.authorizations.records import Hold, Record, State, state_of
from tests.factories.authorizations import NOON, PROGRAM, USER

LATER = NOON + timedelta(days=7)
HELD = Hold(State.HELD, 2500, 0, LATER)


def a_record(
    hold: Hold | None = HELD, *, status: Status = Status.PERMIT, refunded_minor: int = 0
) -> Record:
    return Record(
        PROGRAM, "txn_1", USER, "USD", 2500, hold is None, status, b"{}", hold, refunded_minor
    )


def an_action(kind: str, amount: str | None = None, key: str = "") -> AuthorizationAction:
    return AuthorizationAction(ActionKind(kind), PROGRAM, "txn_1", amount, key)


def outcome(
    action: AuthorizationAction,
    record: Record,
    *,
    available_minor: int = 0,
    earlier: StoredAction | None = None,
) -> Movement | ActionResponse:
    account = AccountState(available_minor, held_minor=2500)
    return decide(action, record, account, earlier=earlier, at=NOON)


@pytest.mark.parametrize(
    ("action", "record", "change"),
    [
        (an_action("capture"), a_record(), (-2500, -2500, 0)),
        (an_action("capture", "10"), a_record(), (-1000, -2500, 1500)),
        (an_action("void"), a_record(), (0, -2500, 2500)),
        (an_action("increment", "5.00", "i"), a_record(), (0, 500, -500)),
        (an_action("refund", "5.00", "r"), a_record(None), (500, 0, 500)),
    ],
)
def test_action_changes_ledger_held_and_available(
    action: AuthorizationAction, record: Record, change: tuple[int, int, int]
) -> None:
    movement = outcome(action, record, available_minor=500)

    assert isinstance(movement, Movement)
    assert (
        movement.posted_minor,
        movement.held_change_minor,
        movement.available_change_minor,
    ) == change
    assert movement.ledger_seq == 1


ENDED = [
    (a_record(None), State.CAPTURED),
    (a_record(None, status=Status.REJECT), State.REJECTED),
    (a_record(Hold(State.VOIDED, 0, 0, LATER)), State.VOIDED),
    (a_record(Hold(State.EXPIRED, 0, 0, LATER)), State.EXPIRED),
    (a_record(Hold(State.CAPTURED, 0, 2500, LATER)), State.CAPTURED),
    (a_record(Hold(State.HELD, 2500, 0, NOON)), State.EXPIRED),
]


@pytest.mark.parametrize(("record", "state"), ENDED)
@pytest.mark.parametrize("kind", ["capture", "void", "increment"])
def test_action_requires_an_open_hold(kind: str, record: Record, state: State) -> None:
    assert outcome(an_action(kind, "1", "k"), record) == ActionResponse(
        ActionResult.FORBIDDEN, state=state
    )
    assert state_of(record, NOON) is state


def test_refund_requires_captured_funds() -> None:
    refused = outcome(an_action("refund", "1", "r"), a_record())

    assert refused == ActionResponse(ActionResult.FORBIDDEN, state=State.HELD)


@pytest.mark.parametrize(
    ("action", "record"),
    [
        (an_action("capture", "25.01"), a_record()),
        (an_action("refund", "25.01", "r"), a_record(None)),
        (an_action("refund", "5.01", "r"), a_record(None, refunded_minor=2000)),
        (an_action("capture", "1e1"), a_record()),
        (an_action("capture", "0"), a_record()),
        (an_action("capture", "1.001"), a_record()),
    ],
)
def test_excessive_or_malformed_amount_is_invalid(
    action: AuthorizationAction, record: Record
) -> None:
    refused = outcome(action, record)

    assert isinstance(refused, ActionResponse)
    assert refused.result is ActionResult.INVALID
    assert refused.detail


def test_increment_above_balance_is_rejected_without_effect() -> None:
    movement = outcome(an_action("increment", "5.01", "i"), a_record(), available_minor=500)

    assert isinstance(movement, Movement)
    assert (movement.status, movement.reason_code) == (Status.REJECT, "insufficient_credit")
    assert (movement.held_change_minor, movement.hold, movement.ledger_seq) == (0, HELD, 0)


@pytest.mark.parametrize(
    ("kind", "amount", "result"),
    [
        ("capture", "10", ActionResult.REPLAYED),
        ("capture", "10.00", ActionResult.REPLAYED),
        ("capture", None, ActionResult.FORBIDDEN),
        ("capture", "11", ActionResult.FORBIDDEN),
        ("void", None, ActionResult.REPLAYED),
        ("refund", "10", ActionResult.REPLAYED),
        ("refund", "11", ActionResult.MISMATCHED),
        ("increment", "11", ActionResult.MISMATCHED),
    ],
)
def test_action_is_idempotent_by_its_key(
    kind: str, amount: str | None, result: ActionResult
) -> None:
    earlier = StoredAction(1000, -2500, b"as it was")
    record = a_record(Hold(State.CAPTURED, 0, 1000, LATER))

    response = outcome(an_action(kind, amount, "k"), record, earlier=earlier)

    assert isinstance(response, ActionResponse)
    assert response.result is result
    assert response.body == (b"as it was" if result is ActionResult.REPLAYED else b"")
