"""A slow, plain model of the authorizer: dicts, written from the API guide.

Uses nothing of cardops.rules. Each step returns a dict with the content of the response.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.oracles.limit_model import LimitModel

HOLD_PERIOD = timedelta(days=7)


@dataclass
class Spending:
    """One decided request and its present state; amounts in minor units."""

    request: tuple[Any, ...]
    response: dict[str, Any]
    account: tuple[str, str, str]
    state: str
    held: int = 0
    captured: int = 0
    refunded: int = 0
    expires_at: datetime | None = None
    actions: dict[tuple[str, str], tuple[int, dict[str, Any]]] = field(default_factory=dict)


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
        self.recalled_accounts: set[tuple[str, str, str]] = set()
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
        self.recalled_accounts.add((program, user, currency))
        self._add((program, user, currency), -amount)

    def reinstate(
        self, program: str, deposit_id: str, user: str, currency: str, amount: int
    ) -> bool:
        """Whether it was recalled and is now credited, with this content."""
        if (program, deposit_id) not in self.recalled:
            return False
        self.recalled.remove((program, deposit_id))
        self.deposits[program, deposit_id] = (user, currency, amount)
        self._add((program, user, currency), amount)
        return True

    def authorize(  # noqa: PLR0913 - a request has that many fields
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
            stored = self.spendings[key]
            if stored.request != request:
                return {"kind": "mismatched"}
            return {**stored.response, "kind": "replayed"}
        is_voided = key in self.tombstones
        reason = "voided_before_arrival" if is_voided else self._reason(account, amount, at)
        permitted = reason == "sufficient_credit"
        remaining = self.available.get(account, 0) - (amount if permitted else 0)
        response = {
            "kind": "decided",
            "status": "PERMIT" if permitted else "REJECT",
            "reason": reason,
            "remaining": remaining,
        }
        if dry_run:
            return response
        spending = Spending(request, response, account, "captured" if capture else "held")
        self.spendings[key] = spending
        if not permitted:
            spending.state = "rejected"
            return response
        self._add(account, -amount)
        self.limits.permit(account, amount, at)
        if capture:
            spending.captured = amount
        else:
            spending.held, spending.expires_at = amount, at + HOLD_PERIOD
            self.held[account] = self.held.get(account, 0) + amount
        return response

    def apply(
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
            is_repeated = (program, transaction_id) in self.tombstones
            self.tombstones.add((program, transaction_id))
            response = {"state": "voided", "held": 0, "captured": 0}
            return {**response, "kind": "replayed" if is_repeated else "done"}
        if kind == "void" and (program, transaction_id) in self.tombstones:
            # Voided before it arrived: every later void replays the first.
            return {"state": "voided", "held": 0, "captured": 0, "kind": "replayed"}
        if (kind, key) in spending.actions:
            return self._replay(spending, kind, key, amount, at)
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
        requested = spending.held if amount is None else amount
        if kind == "capture" and requested > spending.held:
            return {"kind": "invalid"}
        if kind == "refund" and requested > spending.captured - spending.refunded:
            return {"kind": "invalid"}
        extra = self._change(spending, kind, requested, at)
        response = {
            "state": spending.state,
            "held": spending.held,
            "captured": spending.captured,
            **extra,
        }
        spending.actions[kind, key] = (requested, response)
        return {**response, "kind": "done"}

    def _change(self, spending: Spending, kind: str, amount: int, at: datetime) -> dict[str, Any]:
        if kind == "void":
            self._release(spending, "voided")
        elif kind == "capture":
            self._release(spending, "captured")
            self._add(spending.account, -amount)
            spending.captured = amount
        elif kind == "refund":
            spending.refunded += amount
            self._add(spending.account, amount)
        else:
            reason = self._reason(spending.account, amount, at, held_already=spending.held)
            if reason == "sufficient_credit":
                self.limits.permit(spending.account, amount, at)
                spending.held += amount
                self.held[spending.account] += amount
                self._add(spending.account, -amount)
            return {"increment": reason}
        return {}

    def _replay(
        self, spending: Spending, kind: str, key: str, amount: int | None, at: datetime
    ) -> dict[str, Any]:
        first, response = spending.actions[kind, key]
        if kind == "capture" and amount is None:
            # Without an amount it captures all that was held then.
            amount = spending.request[2] + permitted_increments(spending)
        if kind == "void" or amount == first:
            return {**response, "kind": "replayed"}
        if kind == "capture":
            return {"kind": "forbidden", "state": self._state(spending, at)}
        return {"kind": "mismatched"}

    def _reason(
        self, account: tuple[str, str, str], amount: int, at: datetime, *, held_already: int = 0
    ) -> str:
        program, user, _ = account
        if (program, user) in self.blocked:
            return "account_blocked"
        if not any(known[:2] == (program, user) for known in self.available):
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


def permitted_increments(spending: Spending) -> int:
    return sum(
        amount
        for (kind, _), (amount, response) in spending.actions.items()
        if kind == "increment" and response["increment"] == "sufficient_credit"
    )
