"""Payment cards of the simulated world: networks, ranges, numbers that pass the Luhn check.

Numbers begin with the digits of the networks' published test cards, so no number belongs to a real card.
"""

from random import Random
from typing import Final

# Leading digits (all inside the network's real ranges), and the length of a number.
_TEST_RANGES: Final = {
    "visa": (("411111", "401288", "422222", "424242"), 16),
    "mastercard": (("555555", "510510", "222300", "520082"), 16),
    "amex": (("378282", "371449", "341111"), 15),
    "discover": (("601111", "601100", "644564", "655550"), 16),
}
NETWORKS: Final = tuple(_TEST_RANGES)
NETWORK_WEIGHTS: Final = (52, 28, 12, 8)


def draw_number(rng: Random, network: str) -> str:
    """A number of that network with a valid check digit."""
    ranges, length = _TEST_RANGES[network]
    start = rng.choice(ranges)
    body = start + "".join(rng.choices("0123456789", k=length - len(start) - 1))
    return body + _check_digit(body)


def masked(number: str) -> str:
    """First six and last four, as processors mask."""
    return f"{number[:6]}{'*' * (len(number) - 10)}{number[-4:]}"


def last_four(number: str) -> str:
    """`****1234`, as dispute reports mask."""
    return f"****{number[-4:]}"


def _check_digit(body: str) -> str:
    digits = [int(digit) for digit in reversed(body)]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[::2]]
    return str(-(sum(doubled) + sum(digits[1::2])) % 10)
