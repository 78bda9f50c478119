"""Amounts of the simulated world: drawing and formatting them.

Exponents are repeated here on purpose: the expected results must not come from the pipeline's code.
"""

import math
from random import Random
from typing import Final

EXPONENTS: Final = {"USD": 2, "EUR": 2, "GBP": 2, "JPY": 0, "KWD": 3}
# What one US dollar is worth, roughly: for plausible sizes only.
_PER_DOLLAR: Final = {"USD": 1.0, "EUR": 0.9, "GBP": 0.8, "JPY": 150.0, "KWD": 0.3}
# Largest simulated amount in dollars: the tail is heavy, not endless.
_CEILING_DOLLARS: Final = 20_000.0


def draw_minor(rng: Random, currency: str, median_dollars: float, spread: float) -> int:
    """A log-normal amount in minor units, with that median; at least one minor unit."""
    dollars = min(rng.lognormvariate(math.log(median_dollars), spread), _CEILING_DOLLARS)
    return max(1, int(dollars * _PER_DOLLAR[currency] * 10 ** EXPONENTS[currency]))


def amount_text(amount_minor: int, currency: str) -> str:
    """Decimal text with the currency's fraction digits: 2500, USD -> `25.00`."""
    exponent = EXPONENTS[currency]
    if exponent == 0:
        return str(amount_minor)
    whole, fraction = divmod(amount_minor, 10**exponent)
    return f"{whole}.{fraction:0{exponent}}"


def short_amount_text(amount_minor: int, currency: str) -> str:
    """The same amount with fewer digits where it can have: 2500, USD -> `25`."""
    text = amount_text(amount_minor, currency)
    return text.rstrip("0").rstrip(".") if "." in text else text
