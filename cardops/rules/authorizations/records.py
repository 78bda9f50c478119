"""An authorization after its decision: its record, its state, and its JSON view.

Belongs here: states, holds, views. Changes to them are in cardops.rules.authorizations.actions.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from cardops.rules.authorizations.decisions import AccountKey, Status
from cardops.rules.money import format_amount

# A hold may be set to last this long, and no longer: 365 days.
LONGEST_HOLD_SECONDS: Final = 31_536_000


class State(StrEnum):
    """State of an authorization."""

    CAPTURED = "captured"
    HELD = "held"
    VOIDED = "voided"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Hold:
    """Funds reserved by a permitted authorization that was not captured at once. Minor units."""

    state: State
    held_minor: int
    captured_minor: int
    expires_at: datetime


class OverdueHold(NamedTuple):
    """An open hold past its expiry by the database's clock; a position in the sweeper's order."""

    expires_at: datetime
    program: str
    transaction_id: str
    user_id: str
    currency: str

    @property
    def account_key(self) -> AccountKey:
        """The account whose funds are held."""
        return (self.program, self.user_id, self.currency)


@dataclass(frozen=True, slots=True)
class Record:
    """Everything stored about one authorization. Amounts in minor units of `currency`."""

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
    def account_key(self) -> AccountKey:
        """The account that was debited, or would have been."""
        return (self.program, self.user_id, self.currency)

    @property
    def captured_minor(self) -> int:
        """Captured amount before refunds."""
        if self.hold is not None:
            return self.hold.captured_minor
        return self.amount_minor if self.status is Status.PERMIT and self.is_capture else 0


@dataclass(frozen=True, slots=True)
class AuthorizationView:
    """The stored decision (None where only its void has arrived) with its present state."""

    response: bytes | None
    state: State
    held_minor: int
    captured_minor: int
    currency: str

    def body(self, increment: str = "") -> bytes:
        """The JSON body of every response about an authorization."""
        decision = self.response.decode() if self.response else "null"
        return (
            f'{{"decision":{decision},"state":"{self.state}"'
            f',"held_amount":{format_amount(self.held_minor, self.currency)}'
            f',"captured_amount":{format_amount(self.captured_minor, self.currency)}'
            f',"currency":"{self.currency}"{increment}}}'
        ).encode()


def state_of(record: Record, at: datetime) -> State:
    """State at that instant; an overdue hold counts as expired even before the sweeper runs."""
    if record.status is Status.REJECT:
        return State.REJECTED
    if record.hold is None:
        return State.CAPTURED
    if record.hold.state is State.HELD and at >= record.hold.expires_at:
        return State.EXPIRED
    return record.hold.state


def view_of(record: Record, at: datetime) -> AuthorizationView:
    """The view of a record at that instant."""
    state = state_of(record, at)
    held = record.hold.held_minor if record.hold and state is State.HELD else 0
    return AuthorizationView(record.response, state, held, record.captured_minor, record.currency)


def tombstone_view(currency: str) -> AuthorizationView:
    """The view of a void whose authorization has not arrived."""
    return AuthorizationView(None, State.VOIDED, 0, 0, currency)
