"""An authorization after its decision: what is on record about it, and how it is answered.

Belongs here: states, holds, views. What changes them is in cardops.rules.authorizations.actions.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cardops.rules.authorizations.decisions import Status
from cardops.rules.money import format_amount


class State(StrEnum):
    """Where an authorization stands."""

    CAPTURED = "captured"
    HELD = "held"
    VOIDED = "voided"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Hold:
    """The mutable side of a permitted authorization that was not captured at once."""

    state: State
    held_minor: int
    captured_minor: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """All that is on record about one authorization."""

    program: str
    transaction_id: str
    user_id: str
    currency: str
    amount_minor: int
    is_capture: bool
    status: Status
    response: bytes
    hold: Hold | None = None
    refunded_minor: int = 0

    @property
    def captured_minor(self) -> int:
        """What was captured, refunds not taken off."""
        if self.hold is not None:
            return self.hold.captured_minor
        return self.amount_minor if self.status is Status.PERMIT and self.is_capture else 0


@dataclass(frozen=True, slots=True)
class AuthorizationView:
    """The stored decision (None before it arrived) with its present state."""

    response: bytes | None
    state: State
    held_minor: int
    captured_minor: int
    currency: str

    def body(self, increment: str = "") -> bytes:
        """The JSON that every answer about an authorization has."""
        decision = self.response.decode() if self.response else "null"
        return (
            f'{{"decision":{decision},"state":"{self.state}"'
            f',"held_amount":{format_amount(self.held_minor, self.currency)}'
            f',"captured_amount":{format_amount(self.captured_minor, self.currency)}'
            f',"currency":"{self.currency}"{increment}}}'
        ).encode()


def state_of(record: Record, at: datetime) -> State:
    """Its state at that instant; a hold past its time has expired, swept or not."""
    if record.status is Status.REJECT:
        return State.REJECTED
    if record.hold is None:
        return State.CAPTURED
    if record.hold.state is State.HELD and at >= record.hold.expires_at:
        return State.EXPIRED
    return record.hold.state


def view_of(record: Record, at: datetime) -> AuthorizationView:
    """The record as it is answered."""
    state = state_of(record, at)
    held = record.hold.held_minor if record.hold and state is State.HELD else 0
    return AuthorizationView(record.response, state, held, record.captured_minor, record.currency)


def tombstone_view(currency: str) -> AuthorizationView:
    """A void whose authorization has not arrived."""
    return AuthorizationView(None, State.VOIDED, 0, 0, currency)
