"""Rates as texts, by fractions: what a simulated day's truth says of a share and of its interval."""

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Final

_PLACES: Final = Decimal("0.000001")
_DIGITS: Final = 40
# The normal quantile of 97.5 %, as docs/kpis.md has it.
_Z: Final = Decimal("1.959964")


def rate_text(part: int, whole: int) -> str | None:
    """Part over whole with six digits, half rounded up; None where there is nothing to divide by."""
    if not whole:
        return None
    millionths = int(Fraction(part, whole) * 1_000_000 + Fraction(1, 2))
    return f"{millionths // 1_000_000}.{millionths % 1_000_000:06}"


def six_digits(number: Decimal) -> str:
    """Half rounded up; never minus zero."""
    return f"{number.quantize(_PLACES, ROUND_HALF_UP) + 0:f}"


def wilson_texts(part: int, whole: int) -> tuple[str | None, str | None]:
    """Both bounds at 95 %; None where there is nothing to divide by."""
    if not whole:
        return None, None
    with localcontext() as context:
        context.prec = _DIGITS
        share, square = Decimal(part) / whole, _Z * _Z / whole
        middle = share + square / 2
        width = (share * (1 - share) * square + square * square / 4).sqrt()
        return six_digits((middle - width) / (1 + square)), six_digits(
            (middle + width) / (1 + square)
        )
