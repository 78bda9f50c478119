"""What the authorizer must answer, in the slowest and plainest way: dicts, written from the manual.

Knows nothing of cardops.rules. A step's answer is a dict of what a partner would be told.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.oracles.limit_model import LimitModel

HOLD_PERIOD = timedelta(days=7)


@dataclass
class Spending:
    """One decided question, and what has come of it."""

    request: tuple[Any, ...]
    told: dict[str, Any]
    account: tuple[str, str, str]
    state: str
    held: int = 0
    captured: int = 0
    refunded: int = 0
    expires_at: datetime | None = None
    done: dict[tuple[str, str], tuple[int, dict[str, Any]]] = field(default_factory=dict)


class AuthorizationModel:
    """Programs, users, balances and decisions as plain dicts."""

    def __init__(self) -> None:
        self.available: dict[tuple[str, str, str], int] = {}
        self.held: dict[tuple[str, str, str], int] = {}
        self.deposits: dict[tuple[str, str], tuple[str, str, int]] = {}
        self.recalled: set[tuple[str, str]] = set()
        self.blocked: set[tuple[str, str]] = set()
        self.spendings: dict[tuple[str, str], Spending] = {}
        self.tombstones: set[tuple[str, str]] = set()
        self.was_recalled: set[tuple[str, str, str]] = set()
        self.limits = LimitModel()

    def deposit(self, program: str, deposit_id: str, user: str, currency: str, amount: int) -> None:
        if (program, deposit_id) in self.deposits:
            return
        self.deposits[program, deposit_id] = (user, currency, amount)
        self._add((program, user, currency), amount)

    def recall(self, program: str, deposit_id: str) -> None:
        if (program, deposit_id) in self.recalled or (program, deposit_id) not in self.deposits:
            return
        self.recalled.add((program, deposit_id))
        user, currency, amount = self.deposits[program, deposit_id]
        self.was_recalled.add((program, user, currency))
        self._add((program, user, currency), -amount)

    def authorize(  # noqa: PLR0913 - a question has that many sides
        self,
        program: str,
        transaction_id: str,
        user: str,
        currency: str,
        amount: int,
        *,
        capture: bool,
        dry_run: bool,
        at: datetime,
    ) -> dict[str, Any]:
        key, account = (program, transaction_id), (program, user, currency)
        request = (user, currency, amount, capture)
        if key in self.spendings:
            known = self.spendings[key]
            if known.request != request:
                return {"kind": "mismatched"}
            return {**known.told, "kind": "replayed"}
        is_voided = key in self.tombstones
        reason = "voided_before_arrival" if is_voided else self._why(account, amount, at)
        permitted = reason == "sufficient_credit"
        left = self.available.get(account, 0) - (amount if permitted else 0)
        told = {
            "kind": "decided",
            "status": "PERMIT" if permitted else "REJECT",
            "reason": reason,
            "remaining": left,
        }
        if dry_run:
            return told
        spending = Spending(request, told, account, "captured" if capture else "held")
        self.spendings[key] = spending
        if not permitted:
            spending.state = "rejected"
            return told
        self._add(account, -amount)
        self.limits.permit(account, amount, at)
        if capture:
            spending.captured = amount
        else:
            spending.held, spending.expires_at = amount, at + HOLD_PERIOD
            self.held[account] = self.held.get(account, 0) + amount
        return told

    def action(
        self,
        program: str,
        transaction_id: str,
        kind: str,
        amount: int | None,
        key: str,
        at: datetime,
    ) -> dict[str, Any]:
        spending = self.spendings.get((program, transaction_id))
        if spending is None:
            if kind != "void":
                return {"kind": "unknown"}
            is_again = (program, transaction_id) in self.tombstones
            self.tombstones.add((program, transaction_id))
            told = {"state": "voided", "held": 0, "captured": 0}
            return {**told, "kind": "replayed" if is_again else "done"}
        if kind == "void" and (program, transaction_id) in self.tombstones:
            # It was voided before it came; so it is said, however often it is asked.
            return {"state": "voided", "held": 0, "captured": 0, "kind": "replayed"}
        if (kind, key) in spending.done:
            return self._again(spending, kind, key, amount, at)
        return self._first(spending, kind, key, amount, at)

    def expire(self, at: datetime) -> int:
        count = 0
        for spending in self.spendings.values():
            if spending.state == "held" and self._state(spending, at) == "expired":
                self._release(spending, "expired")
                count += 1
        return count

    def view(self, program: str, transaction_id: str, at: datetime) -> dict[str, Any] | None:
        spending = self.spendings.get((program, transaction_id))
        if spending is None:
            voided = {"state": "voided", "held": 0, "captured": 0}
            return voided if (program, transaction_id) in self.tombstones else None
        state = self._state(spending, at)
        held = spending.held if state == "held" else 0
        return {"state": state, "held": held, "captured": spending.captured}

    def _first(
        self, spending: Spending, kind: str, key: str, amount: int | None, at: datetime
    ) -> dict[str, Any]:
        state = self._state(spending, at)
        needed = {"capture": "held", "void": "held", "increment": "held", "refund": "captured"}
        if state != needed[kind]:
            return {"kind": "forbidden", "state": state}
        asked = spending.held if amount is None else amount
        if kind == "capture" and asked > spending.held:
            return {"kind": "invalid"}
        if kind == "refund" and asked > spending.captured - spending.refunded:
            return {"kind": "invalid"}
        extra = self._change(spending, kind, asked, at)
        told = {
            "state": spending.state,
            "held": spending.held,
            "captured": spending.captured,
            **extra,
        }
        spending.done[kind, key] = (asked, told)
        return {**told, "kind": "done"}

    def _change(self, spending: Spending, kind: str, asked: int, at: datetime) -> dict[str, Any]:
        if kind == "void":
            self._release(spending, "voided")
        elif kind == "capture":
            self._release(spending, "captured")
            self._add(spending.account, -asked)
            spending.captured = asked
        elif kind == "refund":
            spending.refunded += asked
            self._add(spending.account, asked)
        else:
            why = self._why(spending.account, asked, at, held_already=spending.held)
            if why == "sufficient_credit":
                self.limits.permit(spending.account, asked, at)
                spending.held += asked
                self.held[spending.account] += asked
                self._add(spending.account, -asked)
            return {"increment": why}
        return {}

    def _again(
        self, spending: Spending, kind: str, key: str, amount: int | None, at: datetime
    ) -> dict[str, Any]:
        first, told = spending.done[kind, key]
        if kind == "capture" and amount is None:
            # Without an amount it asks for all that was held then.
            whole = spending.request[2] + spending_increments(spending)
            amount = whole
        if kind == "void" or amount == first:
            return {**told, "kind": "replayed"}
        if kind == "capture":
            return {"kind": "forbidden", "state": self._state(spending, at)}
        return {"kind": "mismatched"}

    def _why(
        self, account: tuple[str, str, str], amount: int, at: datetime, *, held_already: int = 0
    ) -> str:
        program, user, _ = account
        if (program, user) in self.blocked:
            return "account_blocked"
        if not any(one[:2] == (program, user) for one in self.available):
            return "unknown_user"
        if account not in self.available:
            return "currency_not_supported"
        if amount > self.available[account]:
            return "insufficient_credit"
        is_over = self.limits.is_over(account, amount, at, held_already=held_already)
        return "velocity_limit" if is_over else "sufficient_credit"

    def _state(self, spending: Spending, at: datetime) -> str:
        if spending.state == "held" and spending.expires_at and at >= spending.expires_at:
            return "expired"
        return spending.state

    def _release(self, spending: Spending, state: str) -> None:
        self.held[spending.account] -= spending.held
        self._add(spending.account, spending.held)
        spending.held, spending.state = 0, state

    def _add(self, account: tuple[str, str, str], amount: int) -> None:
        self.available[account] = self.available.get(account, 0) + amount


def spending_increments(spending: Spending) -> int:
    return sum(
        amount
        for (kind, _), (amount, told) in spending.done.items()
        if kind == "increment" and told["increment"] == "sufficient_credit"
    )
