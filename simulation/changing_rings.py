"""Fraud rings that change from one business date to the next: what arrives on both, and what must be told.

Belongs here: the sales, and the rings of each date as the scenario means them, by name. Nothing here looks for
rings: who is in which was decided before the sales were made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Final

from simulation.population import LINKS

# More users than any kind of identifier may have and still link them.
_STRANGERS: Final = 40
_LEAST: Final = 2
_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale, and the identifiers that it shows beside those of its user alone."""

    transaction_id: str
    user_id: str
    shown: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RingOfDate:
    """A ring as it must be found: members, the name of the ring whose id it has, and where members came from."""

    members: frozenset[str]
    continues: str | None = None
    merged_from: tuple[str, ...] = ()
    split_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangingRings:
    """Arrivals of two dates, the rings after each by name, and how many of the first ended."""

    first_sales: Sequence[Sale]
    second_sales: Sequence[Sale]
    first: Mapping[str, RingOfDate]
    second: Mapping[str, RingOfDate]
    ended_count: int


@dataclass(slots=True)
class _Maker:
    rng: Random
    sales: list[Sale] = field(default_factory=list)
    number: int = 0

    def users(self, count: int) -> list[str]:
        self.number += count
        return [f"user-{number:03}" for number in range(self.number - count, self.number)]

    def tie(self, users: Sequence[str]) -> None:
        """Each with the next by an identifier of a random kind, which only both show."""
        for pair in pairwise(users):
            kind = self.rng.choice(LINKS)
            self.show(pair, kind, f"{kind}-{pair[0]}-{pair[1]}")

    def show(self, users: Sequence[str], kind: str, value: str) -> None:
        for user in users:
            self.sales.append(Sale(f"sale-{len(self.sales):04}-{user}", user, {kind: value}))


def make_changing_rings(rng: Random) -> ChangingRings:
    """Two rings that become one, one that falls apart, one that grows, one that ends, and a new one.

    A ring falls apart because the address that held it together turns out to be a proxy's: on the second date too many
    show it. The larger part of anything keeps the id.
    """
    made = _Maker(rng)
    small = made.users(rng.randint(_LEAST, _MOST))
    large = made.users(len(small) + rng.randint(1, _MOST))
    lesser = made.users(rng.randint(_LEAST, _MOST))
    greater = made.users(len(lesser) + rng.randint(1, _MOST))
    growing, ending = made.users(rng.randint(_LEAST, _MOST)), made.users(2)
    for users in (small, large, lesser, greater, growing):
        made.tie(users)
    held, lost = f"198.51.100.{rng.randrange(1, 100)}", f"198.51.100.{rng.randrange(100, 200)}"
    made.show((rng.choice(lesser), rng.choice(greater)), "ip_address", held)
    made.show(ending, "ip_address", lost)
    first_sales = made.sales[:]

    joining, late = made.users(1), made.users(rng.randint(_LEAST, _MOST))
    made.tie((rng.choice(small), rng.choice(large)))
    made.tie((growing[-1], *joining))
    made.tie(late)
    for address in (held, lost):
        made.show(made.users(_STRANGERS), "ip_address", address)
    second_sales = made.sales[len(first_sales) :]
    rng.shuffle(first_sales)
    rng.shuffle(second_sales)
    return ChangingRings(
        first_sales,
        second_sales,
        first={
            "small": RingOfDate(frozenset(small)),
            "large": RingOfDate(frozenset(large)),
            "falling": RingOfDate(frozenset(lesser + greater)),
            "growing": RingOfDate(frozenset(growing)),
            "ending": RingOfDate(frozenset(ending)),
        },
        second={
            "merged": RingOfDate(frozenset(small + large), "large", merged_from=("small",)),
            "greater": RingOfDate(frozenset(greater), "falling"),
            "lesser": RingOfDate(frozenset(lesser), split_from=("falling",)),
            "growing": RingOfDate(frozenset(growing + joining), "growing"),
            "late": RingOfDate(frozenset(late)),
        },
        # The smaller of the two that became one, and the one that nothing links any more.
        ended_count=2,
    )
