"""Disputes of simulated purchases: which are disputed, why, and how each continues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from random import Random
from typing import Final

from cardops.rules.data_tables import read_table
from simulation.chance import happens
from simulation.purchases import Placement, Purchase

# Disputes per thousand settled purchases, by how they were paid; members of rings dispute more.
_PER_MILLE: Final = {
    "credit_card": 24,
    "debit_card": 14,
    "digital_wallet": 10,
    "prepaid_card": 30,
    "bank_transfer": 0,
}
_RING_FACTOR: Final = 8
_MIN_DISPUTES: Final = 24
# Few buy in them, and amounts without digits, or with three, are easily wrong.
_ALWAYS_DISPUTED: Final = ("JPY", "KWD")
_MIN_AGE_DAYS: Final = 10
_ALLOCATED: Final = frozenset({"fraud", "authorization"})


@dataclass(frozen=True, slots=True)
class Step:
    """What one row says about a dispute.

    `is_update`: of the stage that it is at already, so no new clock starts. `is_dated`: the row says on
    which day it happened.
    """

    stage: str
    status: str
    on: date
    is_update: bool = False
    is_dated: bool = False


@dataclass(frozen=True, slots=True)
class Dispute:
    """A purchase, the network's reason, and the steps so far."""

    number: int
    purchase: Purchase
    network: str
    reason: Mapping[str, str]
    amount_minor: int
    opened_on: date
    steps: tuple[Step, ...]


def make_disputes(rng: Random, purchases: Sequence[Purchase], history_end: date) -> list[Dispute]:
    """Disputes of settled card purchases, weeks after the sale, in order of sale.

    Every purchase whose transaction arrives late is disputed.
    """
    youngest = history_end - timedelta(days=_MIN_AGE_DAYS)
    settled = [
        purchase
        for purchase in purchases
        if purchase.is_settled
        and purchase.network
        and purchase.placement is not Placement.LATE_ORDER
        and purchase.created_at.date() < youngest
    ]
    disputed = [purchase for purchase in settled if _is_disputed(rng, purchase)]
    if len(disputed) < _MIN_DISPUTES:
        known = {purchase.order_id for purchase in disputed}
        rest = [purchase for purchase in settled if purchase.order_id not in known]
        disputed += rng.sample(rest, k=min(len(rest), _MIN_DISPUTES - len(disputed)))
    for currency in _ALWAYS_DISPUTED:
        sold = [purchase for purchase in settled if purchase.currency == currency]
        if sold and not any(purchase.currency == currency for purchase in disputed):
            disputed.append(rng.choice(sold))
    return [
        _dispute(rng, number, purchase, history_end) for number, purchase in enumerate(disputed)
    ]


def _is_disputed(rng: Random, purchase: Purchase) -> bool:
    if purchase.placement is Placement.LATE_TRANSACTION:
        return True
    factor = _RING_FACTOR if purchase.user.ring is not None else 1
    return rng.randrange(1000) < _PER_MILLE[purchase.method] * factor


def _dispute(rng: Random, number: int, purchase: Purchase, history_end: date) -> Dispute:
    network = str(purchase.network)
    sold_on = purchase.paid_by.created_at.date()
    last = (history_end - sold_on).days - 1
    opened_on = sold_on + timedelta(days=rng.randint(min(7, last), min(60, last)))
    reason = rng.choice(reasons_of(network))
    part = happens(rng, 15) and purchase.amount_minor > 1
    amount = rng.randint(1, purchase.amount_minor - 1) if part else purchase.amount_minor
    first, *rest = _steps(rng, network, reason["category"], opened_on, history_end)
    # Every second feed says when later steps happened.
    steps = (first, *(replace(step, is_dated=number % 2 == 0) for step in rest))
    return Dispute(number, purchase, network, reason, amount, opened_on, steps)


def _steps(
    rng: Random, network: str, category: str, opened_on: date, history_end: date
) -> tuple[Step, ...]:
    opened = Step("chargeback", "open", opened_on)
    asked = Step("inquiry", "open", opened_on)
    on = min(history_end, opened_on + timedelta(days=rng.randint(1, 20)))
    # In Visa's allocation workflow the acquirer answers with pre-arbitration.
    allocated = network == "visa" and category in _ALLOCATED
    answered = Step("pre_arbitration" if allocated else "representment", "pending_response", on)
    ended = Step("chargeback", rng.choice(("won", "lost")), on)
    won = Step("chargeback", "won", on)
    later = min(history_end, on + timedelta(days=rng.randint(1, 10)))
    updated = Step("chargeback", "pending_response", on, is_update=True)
    paths = (
        (opened,),
        (opened, updated),
        (asked,),
        (asked, Step("chargeback", "open", on)),
        (opened, answered),
        (opened, ended),
        # What was won is not over: the issuer goes on, or the processor takes its word back.
        (opened, won, Step("pre_arbitration", "pending_response", later)),
        (opened, won, Step("chargeback", "open", later)),
    )
    return rng.choices(paths, (40, 6, 12, 13, 12, 11, 3, 3))[0]


@cache
def reasons_of(network: str) -> tuple[Mapping[str, str], ...]:
    """The network's reasons that are in use; retired ones and replies to inquiries are left out."""
    return tuple(
        row
        for row in read_table("reason_codes")
        if row["network"] == network
        and row["category"] not in {"inquiry", "network_program"}
        and "retired" not in row["description"]
        and "older" not in row["description"]
    )
