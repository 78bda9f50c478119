"""Purchases of the last weeks, from which orders, transactions and chargebacks are written.

Belongs here: who bought what, how it was paid and whether that succeeded. How purchases are written
into files is in orders, transactions and chargebacks.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Final

from simulation.calendar_days import Days
from simulation.chance import happens
from simulation.money_text import draw_minor
from simulation.population import Merchant, Ring, User, World

HISTORY_DAYS: Final = 120
METHODS: Final = ("credit_card", "debit_card", "digital_wallet", "prepaid_card", "bank_transfer")
_METHOD_WEIGHTS: Final = (42, 25, 18, 5, 10)
CARD_METHODS: Final = frozenset(METHODS) - {"bank_transfer"}
# Share of attempts that fail, per mille: prepaid cards run empty, transfers rarely fail.
_FAILS: Final = {
    "credit_card": 55,
    "debit_card": 75,
    "digital_wallet": 30,
    "prepaid_card": 140,
    "bank_transfer": 20,
}
ERROR_CODES: Final = (
    "insufficient_funds",
    "do_not_honor",
    "expired_card",
    "incorrect_cvc",
    "processing_error",
    "authentication_required",
)
_ERROR_WEIGHTS: Final = (40, 25, 10, 8, 7, 10)


class Placement(StrEnum):
    """Which files a purchase appears in; a late one arrives after rows that refer to it."""

    FIRST = "first"
    SECOND = "second"
    THIRD = "third"
    LATE_ORDER = "late_order"
    LATE_TRANSACTION = "late_transaction"


_PLACEMENTS: Final = (Placement.FIRST, Placement.SECOND, Placement.THIRD)
_PLACEMENT_WEIGHTS: Final = (50, 30, 20)


@dataclass(slots=True)
class Attempt:
    """One attempt to pay: a transaction."""

    transaction_id: str
    status: str
    error_code: str | None
    created_at: datetime


@dataclass(slots=True)
class Purchase:
    """An order and the attempts to pay for it; the last attempt has the final status."""

    order_id: str
    user: User
    merchant: Merchant
    amount_minor: int
    currency: str
    method: str
    placement: Placement
    created_at: datetime
    links: dict[str, str]
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def paid_by(self) -> Attempt:
        """The last attempt."""
        return self.attempts[-1]

    @property
    def is_settled(self) -> bool:
        """Whether money changed hands, be it refunded since."""
        return self.paid_by.status in {"completed", "refunded"}

    @property
    def network(self) -> str | None:
        """The card network behind it, or None."""
        return self.user.network if self.method in CARD_METHODS else None


def make_purchases(rng: Random, world: World, rows: int, history_end: date) -> list[Purchase]:
    """As many purchases as there are deposits, in order of time, and one for each ring's tie."""
    instants = Days(history_end - timedelta(days=1), HISTORY_DAYS).draw(rng, rows)
    # A few spend much more often than the rest.
    weights = [rng.paretovariate(1.5) for _ in world.users]
    users = rng.choices(world.users, weights, k=rows)
    purchases = [
        _purchase(rng, world, number, user, at)
        for number, (user, at) in enumerate(zip(users, instants, strict=True))
    ]
    for ring in world.rings:
        purchases += _tied_purchases(rng, world, len(purchases), ring, history_end)
    return sorted(purchases, key=lambda purchase: (purchase.created_at, purchase.order_id))


def _purchase(rng: Random, world: World, number: int, user: User, at: datetime) -> Purchase:
    purchase = Purchase(
        order_id=f"ord-{world.tag}-{number:06d}",
        user=user,
        merchant=rng.choice(world.merchants),
        amount_minor=draw_minor(rng, user.currency, 45, 1.0),
        currency=user.currency,
        method=rng.choices(METHODS, _METHOD_WEIGHTS)[0],
        placement=rng.choices(_PLACEMENTS, _PLACEMENT_WEIGHTS)[0],
        created_at=at,
        links=user.links,
    )
    _pay(rng, world.tag, number, purchase)
    return purchase


def _pay(rng: Random, tag: str, number: int, purchase: Purchase) -> None:
    """Attempt until one succeeds or the buyer gives up."""
    at = purchase.created_at
    for attempt in range(1, 4):
        at += timedelta(seconds=rng.randrange(20, 240))
        transaction_id = f"txn-{tag}-{number:06d}-{attempt}"
        if rng.randrange(1000) >= _FAILS[purchase.method]:
            status = rng.choices(("completed", "refunded", "pending"), (93, 5, 2))[0]
            purchase.attempts.append(Attempt(transaction_id, status, None, at))
            return
        error_code = rng.choices(ERROR_CODES, _ERROR_WEIGHTS)[0]
        purchase.attempts.append(Attempt(transaction_id, "failed", error_code, at))
        if happens(rng, 50):
            return


def _tied_purchases(
    rng: Random, world: World, first_number: int, ring: Ring, history_end: date
) -> list[Purchase]:
    """For each tie, one purchase of each user; the second shows the first user's link."""
    instants = Days(history_end - timedelta(days=20), 60).draw(rng, len(ring.ties))
    made: list[Purchase] = []
    for number, ((owner, borrower, link), at) in enumerate(zip(ring.ties, instants, strict=True)):
        for user, links in (
            (owner, owner.links),
            (borrower, {**borrower.links, link: owner.links[link]}),
        ):
            purchase = _purchase(rng, world, first_number + 2 * number + len(made) % 2, user, at)
            purchase.method, purchase.placement = "credit_card", Placement.FIRST
            purchase.links = links
            made.append(purchase)
    return made


def make_some_late(rng: Random, purchases: list[Purchase], count: int) -> None:
    """Make `count` orders and `count` settled card transactions arrive late."""
    plain = [
        purchase
        for purchase in purchases
        if purchase.placement is Placement.FIRST and purchase.links is purchase.user.links
    ]
    for purchase in rng.sample(plain, k=min(count, len(plain) // 4)):
        purchase.placement = Placement.LATE_ORDER
    settled = [
        purchase
        for purchase in plain
        if purchase.placement is Placement.FIRST and purchase.is_settled and purchase.network
    ]
    for purchase in rng.sample(settled, k=min(count, len(settled) // 4)):
        purchase.placement = Placement.LATE_TRANSACTION
