"""The simulated population: users with devices and cards, merchants, fraud rings.

Only the members of rings share a device, card token, e-mail or address. Many users are behind one
mobile carrier's address too, and they are not a ring.
"""

from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Final

from simulation.cards import NETWORK_WEIGHTS, NETWORKS, draw_number

LINKS: Final = ("device_id", "card_token", "email", "ip_address")
# Users behind the carrier's address in every thousand; only where there are enough of them for
# the address to be beyond any sensible limit for a ring.
_CARRIER_PER_MILLE: Final = 100
_CARRIER_MIN_USERS: Final = 1_000
_CARRIER_ADDRESS: Final = "100.64.0.1"
_CURRENCIES: Final = ("USD", "EUR", "GBP", "JPY", "KWD")
_CURRENCY_WEIGHTS: Final = (92, 4, 2, 1, 1)
_COUNTRIES: Final = ("US", "US", "US", "GB", "DE", "FR", "CA", "JP", "KW")
_TRADES: Final = (
    ("Grocery", "5411"),
    ("Coffee Roasters", "5814"),
    ("Electronics", "5732"),
    ("Airlines", "4511"),
    ("Hotel", "7011"),
    ("Pharmacy", "5912"),
    ("Fuel", "5541"),
    ("Games, Ltd.", "5816"),
    ("Books", "5942"),
    ("Fashion", "5651"),
)
# Names that a spreadsheet would execute or split; real merchants have such names.
_ODD_NAMES: Final = ("=SUM Trading", "+Plus Market", "@Home Gadgets", 'The "Corner" Shop, Inc.')
_PLACES: Final = ("Harbor", "Maple", "Northside", "Summit", "Riverside", "Old Town", "Sunset")


@dataclass(slots=True)
class User:
    """A card holder; `links` are what a purchase shows of them."""

    user_id: str
    currency: str
    network: str
    card_number: str
    links: dict[str, str]
    country: str
    ring: int | None = None


@dataclass(frozen=True, slots=True)
class Merchant:
    """Where money is spent; `mcc` is the ISO 18245 category."""

    merchant_id: str
    name: str
    mcc: str
    country: str


@dataclass(frozen=True, slots=True)
class Ring:
    """Users who share something, each with the next: (user, user, which link)."""

    members: tuple[User, ...]
    ties: tuple[tuple[User, User, str], ...]


@dataclass(frozen=True, slots=True)
class World:
    """Users, merchants and rings of one day's files. `tag` makes the day's ids unique."""

    tag: str
    users: list[User]
    merchants: list[Merchant]
    rings: list[Ring]


def make_world(rng: Random, tag: str, rows: int) -> World:
    """0.4 users for each deposit, some of them in rings."""
    users = [_user(rng, tag, number) for number in range(max(10, round(rows * 0.4)))]
    merchants = [_merchant(rng, tag, number) for number in range(max(12, len(users) // 50))]
    rings = _make_rings(rng, users)
    _put_behind_carrier(rng, users)
    return World(tag, users, merchants, rings)


def _user(rng: Random, tag: str, number: int) -> User:
    network = rng.choices(NETWORKS, NETWORK_WEIGHTS)[0]
    name = f"{tag}-{number:06d}"
    return User(
        user_id=f"user-{name}",
        currency=rng.choices(_CURRENCIES, _CURRENCY_WEIGHTS)[0],
        network=network,
        card_number=draw_number(rng, network),
        links={
            "device_id": f"dev-{name}",
            "card_token": f"tok-{name}",
            "email": f"holder.{name}@example.com",
            # 198.18.0.0/15 belongs to benchmarks (RFC 2544): nobody's address.
            "ip_address": f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}",
        },
        country=rng.choice(_COUNTRIES),
    )


def _merchant(rng: Random, tag: str, number: int) -> Merchant:
    trade, mcc = rng.choice(_TRADES)
    odd = _ODD_NAMES[number] if number < len(_ODD_NAMES) else None
    name = odd or f"{rng.choice(_PLACES)} {trade}"
    return Merchant(f"m-{tag}-{number:04d}", name, mcc, rng.choice(_COUNTRIES))


def _make_rings(rng: Random, users: list[User]) -> list[Ring]:
    """About one user in fifty is in a ring of three to six; at least one ring."""
    count = max(1, len(users) // 225)
    free = rng.sample(users, k=min(len(users), count * 6))
    rings = []
    for number in range(count):
        members = tuple(free[number * 6 : number * 6 + rng.randint(3, 6)])
        for member in members:
            member.ring = number
        pairs = pairwise(members)
        rings.append(Ring(members, tuple((*pair, rng.choice(LINKS)) for pair in pairs)))
    return rings


def _put_behind_carrier(rng: Random, users: list[User]) -> None:
    if len(users) < _CARRIER_MIN_USERS:
        return
    for user in rng.sample(users, k=len(users) * _CARRIER_PER_MILLE // 1000):
        if user.ring is None:
            user.links["ip_address"] = _CARRIER_ADDRESS
