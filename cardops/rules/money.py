"""Money as integers of a currency's minor unit, and the exact parser of its decimal text.

The vectorised parser of cardops.contracts is tested against the one here. No floats, no rounding.
"""

import re
from enum import StrEnum
from typing import Final

from cardops.rules.currencies import EXPONENTS

# 2^53 - 1: the largest integer that every JSON reader keeps exactly (RFC 8259, section 6).
MAX_AMOUNT_MINOR: Final = 9_007_199_254_740_991

_UNSIGNED = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_NEGATIVE = re.compile(r"-[0-9]+(?:\.[0-9]+)?", re.ASCII)


class AmountProblem(StrEnum):
    """Why a text is not an amount. The values are row reasons of the input contract."""

    INVALID_AMOUNT = "invalid_amount"
    NON_POSITIVE_AMOUNT = "non_positive_amount"
    TOO_MANY_FRACTION_DIGITS = "too_many_fraction_digits"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"


def parse_amount(text: str, currency: str) -> int | AmountProblem:
    """Minor units of a positive decimal text such as `25.00`, or what is wrong with it.

    `currency` must be a key of EXPONENTS. ASCII digits with at most the currency's fraction digits;
    no plus sign, exponent, separator, symbol or NaN (docs/file-formats.md).
    """
    if not _UNSIGNED.fullmatch(text):
        is_negative = _NEGATIVE.fullmatch(text) is not None
        return AmountProblem.NON_POSITIVE_AMOUNT if is_negative else AmountProblem.INVALID_AMOUNT
    whole, _, fraction = text.partition(".")
    exponent = EXPONENTS[currency]
    if not (whole + fraction).strip("0"):
        return AmountProblem.NON_POSITIVE_AMOUNT
    if len(fraction) > exponent:
        return AmountProblem.TOO_MANY_FRACTION_DIGITS
    digits = (whole + fraction.ljust(exponent, "0")).lstrip("0")
    # Length first: int() takes quadratic time, so a hostile text of megabytes must not reach it.
    if len(digits) > len(str(MAX_AMOUNT_MINOR)) or int(digits) > MAX_AMOUNT_MINOR:
        return AmountProblem.AMOUNT_OUT_OF_RANGE
    return int(digits)


def format_amount(amount_minor: int, currency: str) -> str:
    """Decimal text with exactly the currency's fraction digits: 2500, USD -> `25.00`."""
    exponent = EXPONENTS[currency]
    sign = "-" if amount_minor < 0 else ""
    digits = str(abs(amount_minor)).rjust(exponent + 1, "0")
    if exponent == 0:
        return sign + digits
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"
