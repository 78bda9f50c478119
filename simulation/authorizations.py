"""Authorization requests of the day, and the expected response to each.

Belongs here: a slow, obvious model of a balance that deposits raise and permits lower. It knows
nothing about how the authorizer decides.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from simulation.chance import happens
from simulation.money_text import amount_text, draw_minor
from simulation.population import Merchant, User, World

_CHANNELS: Final = ("ecommerce", "ecommerce", "pos", "pos", "atm")
_HOLDS_PER_MILLE: Final = 60
_UNKNOWN_USERS_PER_MILLE: Final = 6
_FOREIGN_PER_MILLE: Final = 6
DEFAULT_CURRENCY: Final = "USD"


@dataclass(slots=True)
class Balance:
    """What was deposited into an account, spent from it and held."""

    deposited_minor: int = 0
    spent_minor: int = 0
    held_minor: int = 0

    @property
    def available_minor(self) -> int:
        """What may still be spent."""
        return self.deposited_minor - self.spent_minor - self.held_minor


Accounts = dict[tuple[str, str], Balance]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as sent, and the correct response."""

    body: str
    transaction_id: str
    user_id: str
    currency: str
    amount_minor: int
    is_capture: bool
    status: str
    reason_code: str
    remaining_minor: int


def make_requests(rng: Random, world: World, rows: int, accounts: Accounts) -> list[Request]:
    """As many requests as deposits, in the order in which each user makes them.

    Permitted requests lower the balances in `accounts`.
    """
    weights = [rng.paretovariate(2.0) for _ in world.users]
    users = rng.choices(world.users, weights, k=rows)
    return [_request(rng, world, number, user, accounts) for number, user in enumerate(users)]


def _request(rng: Random, world: World, number: int, user: User, accounts: Accounts) -> Request:
    user_id, currency = _account_of(rng, world, number, user)
    amount = draw_minor(rng, currency, 55, 1.0)
    is_capture = rng.randrange(1000) >= _HOLDS_PER_MILLE
    transaction_id = f"auth-{world.tag}-{number:07d}"
    status, reason_code, remaining = decide(
        accounts, user_id, currency, amount, is_capture=is_capture
    )
    body = _body(rng, transaction_id, user_id, currency, amount)
    if not is_capture:
        body["capture"] = "false"
    _describe(rng, body, rng.choice(world.merchants), number)
    text = ", ".join(f'"{key}": {value}' for key, value in body.items())
    return Request(
        body=f"{{{text}}}",
        transaction_id=transaction_id,
        user_id=user_id,
        currency=currency,
        amount_minor=amount,
        is_capture=is_capture,
        status=status,
        reason_code=reason_code,
        remaining_minor=remaining,
    )


def _account_of(rng: Random, world: World, number: int, user: User) -> tuple[str, str]:
    """User and currency: usually the user's own; sometimes an unknown user or another currency."""
    dice = rng.randrange(1000)
    if dice < _UNKNOWN_USERS_PER_MILLE or number == 0:
        return f"user-{world.tag}-stranger-{number}", DEFAULT_CURRENCY
    if dice < _UNKNOWN_USERS_PER_MILLE + _FOREIGN_PER_MILLE or number == 1:
        return user.user_id, "GBP" if user.currency != "GBP" else "JPY"
    return user.user_id, user.currency


def decide(
    accounts: Accounts, user_id: str, currency: str, amount_minor: int, *, is_capture: bool
) -> tuple[str, str, int]:
    """Status, reason code and remaining credit; a permit lowers the balance."""
    if not any((user_id, other) in accounts for other in ("USD", "EUR", "GBP", "JPY", "KWD")):
        return "REJECT", "unknown_user", 0
    balance = accounts.get((user_id, currency))
    if balance is None:
        return "REJECT", "currency_not_supported", 0
    if amount_minor > balance.available_minor:
        return "REJECT", "insufficient_credit", balance.available_minor
    if is_capture:
        balance.spent_minor += amount_minor
    else:
        balance.held_minor += amount_minor
    return "PERMIT", "sufficient_credit", balance.available_minor


def _body(
    rng: Random, transaction_id: str, user_id: str, currency: str, amount_minor: int
) -> dict[str, str]:
    """JSON texts by field; amounts as numbers and as strings, dollars sometimes omitted."""
    amount = amount_text(amount_minor, currency)
    body = {
        "transaction_id": json.dumps(transaction_id),
        "user_id": json.dumps(user_id),
        "amount": amount if happens(rng, 70) else json.dumps(amount),
    }
    if currency != DEFAULT_CURRENCY or happens(rng, 80):
        body["currency"] = json.dumps(currency)
    return body


def _describe(rng: Random, body: dict[str, str], merchant: Merchant, number: int) -> None:
    described: Mapping[str, str] = {
        "id": merchant.merchant_id,
        "name": merchant.name,
        "mcc": merchant.mcc,
        "country": merchant.country,
    }
    body["merchant"] = json.dumps(described)
    body["channel"] = json.dumps(rng.choice(_CHANNELS))
    if happens(rng, 10):
        body["metadata"] = json.dumps({"terminal": f"t-{number % 50:02d}"})
