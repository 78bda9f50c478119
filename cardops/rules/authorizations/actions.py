"""Actions on an authorization after its decision: capture, void, refund, increment, expire.

Belongs here: which state allows which action, and what an action changes. Every action is idempotent
by its key. Several actions of one batch are in cardops.rules.authorizations.action_batches.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from cardops.rules.authorizations.decisions import (
    AccountState,
    IdKey,
    ReasonCode,
    Status,
    check_spending,
    status_of,
)
from cardops.rules.authorizations.records import AuthorizationView, Hold, Record, State, state_of
from cardops.rules.money import AmountProblem, format_amount, parse_amount


class ActionKind(StrEnum):
    """Kinds of action, as the store and the transaction log name them."""

    CAPTURE = "capture"
    VOID = "void"
    EXPIRE = "expire"
    INCREMENT = "increment"
    REFUND = "refund"


# (program, transaction_id, kind, key).
ActionKey: TypeAlias = "tuple[str, str, ActionKind, str]"

# The state in which an authorization must be for each kind of action.
ALLOWED_FROM: Final = {
    ActionKind.CAPTURE: State.HELD,
    ActionKind.VOID: State.HELD,
    ActionKind.EXPIRE: State.EXPIRED,
    ActionKind.INCREMENT: State.HELD,
    ActionKind.REFUND: State.CAPTURED,
}


@dataclass(frozen=True, slots=True)
class AuthorizationAction:
    """A request to act on an authorization.

    `amount` is decimal text in the authorization's currency; None means the whole held amount.
    `key` is the idempotency key: the refund's or increment's id, empty for actions that can happen
    only once.
    """

    kind: ActionKind
    program: str
    transaction_id: str
    amount: str | None = None
    key: str = ""
    key_id: str | None = None
    request_id: str | None = None

    @property
    def id_key(self) -> IdKey:
        """The authorization that is acted on."""
        return (self.program, self.transaction_id)

    @property
    def idempotency_key(self) -> ActionKey:
        """At most one action is ever done under it."""
        return (self.program, self.transaction_id, self.kind, self.key)


class ActionResult(StrEnum):
    """The outcome of an action; only DONE changes anything, and only DONE uses up the key.

    REPLAYED returns the stored response of an earlier action with the same key. INCONSISTENT: the hold
    and its account contradict each other. LOCKED: another session has the account locked. UNDECIDED:
    nothing was committed in time.
    """

    DONE = "done"
    REPLAYED = "replayed"
    UNKNOWN = "unknown"
    FORBIDDEN = "forbidden"
    MISMATCHED = "mismatched"
    INVALID = "invalid"
    INCONSISTENT = "inconsistent"
    LOCKED = "locked"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class ActionResponse:
    """`body` holds the bytes to send.

    `state` is the state that forbids the action, `detail` says what is invalid or inconsistent.
    """

    result: ActionResult
    body: bytes = b""
    state: State | None = None
    detail: str = ""


UNDECIDED_ACTION: Final = ActionResponse(ActionResult.UNDECIDED)
LOCKED_ACTION: Final = ActionResponse(ActionResult.LOCKED)
INCONSISTENT: Final = ActionResponse(
    ActionResult.INCONSISTENT,
    detail="The hold contradicts its account, so nothing was changed; an operator must look at it.",
)


@dataclass(frozen=True, slots=True)
class StoredAction:
    """An earlier action with the same idempotency key. Amounts in minor units."""

    amount_minor: int
    held_change_minor: int
    response: bytes


@dataclass(frozen=True, slots=True)
class Movement:
    """The row that an action writes. Amounts in minor units of the authorization's currency."""

    kind: ActionKind
    key: str
    status: Status
    reason_code: ReasonCode | str
    amount_minor: int
    posted_minor: int
    held_change_minor: int
    ledger_seq: int
    hold: Hold | None
    response: bytes = b""

    @property
    def available_change_minor(self) -> int:
        """Ledger balance = available + held, and only `posted_minor` changes it."""
        return self.posted_minor - self.held_change_minor

    @property
    def is_effective(self) -> bool:
        """Whether a balance changes; a rejected increment is recorded but changes none."""
        return self.status is Status.PERMIT


def decide_action(
    action: AuthorizationAction,
    record: Record,
    account: AccountState,
    *,
    earlier: StoredAction | None,
    at: datetime,
) -> ActionResponse | Movement:
    """The movement to write, or the response where nothing is to be written."""
    amount = _amount_of(action, record, earlier)
    if isinstance(amount, ActionResponse):
        return amount
    if earlier is not None:  # guard: action-key
        return _replay(action, amount, earlier, state_of(record, at))
    state = state_of(record, at)
    if state is not ALLOWED_FROM[action.kind]:  # guard: action-state
        return ActionResponse(ActionResult.FORBIDDEN, state=state)
    problem = _excess_amount_problem(action.kind, amount, record)
    if problem:
        return ActionResponse(ActionResult.INVALID, detail=problem)
    movement = _movement(action, amount, record, account)
    is_consistent = account.exists and account.held_minor + movement.held_change_minor >= 0
    return movement if is_consistent else INCONSISTENT  # guard: action-consistent-hold


def _amount_of(
    action: AuthorizationAction, record: Record, earlier: StoredAction | None
) -> int | ActionResponse:
    if action.amount is None:
        held = record.hold.held_minor if record.hold else 0
        return -earlier.held_change_minor if earlier is not None else held
    amount = parse_amount(action.amount, record.currency)
    if isinstance(amount, AmountProblem):
        return ActionResponse(
            ActionResult.INVALID, detail=amount_problem_text(amount, record.currency)
        )
    return amount


def amount_problem_text(problem: AmountProblem, currency: str) -> str:
    """What is wrong with an amount, as the caller reads it."""
    return {
        AmountProblem.INVALID_AMOUNT: "is not a plain decimal amount such as 25.00",
        AmountProblem.NON_POSITIVE_AMOUNT: "must be above zero",
        AmountProblem.TOO_MANY_FRACTION_DIGITS: f"has more fraction digits than {currency} has",
        AmountProblem.AMOUNT_OUT_OF_RANGE: "is larger than any amount that can be stored exactly",
    }[problem]


def _replay(
    action: AuthorizationAction, amount_minor: int, earlier: StoredAction, state: State
) -> ActionResponse:
    if action.kind is ActionKind.VOID or amount_minor == earlier.amount_minor:
        return ActionResponse(ActionResult.REPLAYED, earlier.response)
    if action.kind is ActionKind.CAPTURE:
        return ActionResponse(ActionResult.FORBIDDEN, state=state)
    return ActionResponse(ActionResult.MISMATCHED)


def _excess_amount_problem(kind: ActionKind, amount_minor: int, record: Record) -> str | None:
    if kind is ActionKind.CAPTURE and record.hold and amount_minor > record.hold.held_minor:
        return "is above what is held"
    if kind is ActionKind.REFUND and amount_minor > record.captured_minor - record.refunded_minor:
        return "is above what was captured and not refunded yet"
    return None


def _movement(
    action: AuthorizationAction, amount_minor: int, record: Record, account: AccountState
) -> Movement:
    reason: ReasonCode | str = action.kind.value
    posted, held_change, hold = _effect(action.kind, amount_minor, record)
    status = Status.PERMIT
    if action.kind is ActionKind.INCREMENT:
        reason = check_spending(amount_minor, account, record.hold.held_minor if record.hold else 0)
        status = status_of(reason)
        if status is Status.REJECT:
            posted, held_change, hold = 0, 0, record.hold
    return Movement(
        action.kind,
        action.key,
        status,
        reason,
        amount_minor,
        posted,
        held_change,
        account.ledger_seq + (status is Status.PERMIT),
        hold,
    )


def _effect(kind: ActionKind, amount_minor: int, record: Record) -> tuple[int, int, Hold | None]:
    """(posted amount, change of the held amount, the hold afterwards)."""
    hold = record.hold
    if kind is ActionKind.REFUND or hold is None:
        return amount_minor, 0, hold
    if kind is ActionKind.INCREMENT:
        raised = Hold(hold.state, hold.held_minor + amount_minor, 0, hold.expires_at)
        return 0, amount_minor, raised
    if kind is ActionKind.CAPTURE:
        captured = Hold(State.CAPTURED, 0, amount_minor, hold.expires_at)
        return -amount_minor, -hold.held_minor, captured
    ended = State.VOIDED if kind is ActionKind.VOID else State.EXPIRED
    return 0, -hold.held_minor, Hold(ended, 0, 0, hold.expires_at)


def view_after(record: Record, movement: Movement) -> AuthorizationView:
    """The authorization after the movement."""
    hold = movement.hold
    if hold is None:
        captured = record.captured_minor
        return AuthorizationView(record.response, State.CAPTURED, 0, captured, record.currency)
    return AuthorizationView(
        record.response, hold.state, hold.held_minor, hold.captured_minor, record.currency
    )


def increment_field(movement: Movement, currency: str) -> str:
    """The extra field of an increment's response, `,"increment":{…}`; empty for other actions."""
    if movement.kind is not ActionKind.INCREMENT:
        return ""
    return (
        f',"increment":{{"id":"{movement.key}","status":"{movement.status}"'
        f',"reason_code":"{movement.reason_code}"'
        f',"amount":{format_amount(movement.amount_minor, currency)}}}'
    )
