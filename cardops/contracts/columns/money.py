"""Amounts as whole columns; cardops.rules.money.parse_amount is the scalar oracle in tests.

Belongs here: decimal text to minor units and back, as polars expressions. No rounding, no float.
"""

from typing import Final

import polars as pl

from cardops.rules.currencies import EXPONENTS
from cardops.rules.intake.files import RowReason
from cardops.rules.money import MAX_AMOUNT_MINOR

_UNSIGNED: Final = r"^[0-9]+(\.[0-9]+)?$"
_NEGATIVE: Final = r"^-[0-9]+(\.[0-9]+)?$"
_AMOUNT, _CURRENCY = "amount", "currency"
# Positive, and below the largest amount in every currency; at most two fraction digits.
_PLAIN: Final = r"^(?:[1-9][0-9]{0,10}(?:\.[0-9]{1,2})?|0\.(?:[1-9][0-9]?|0[1-9]))$"
_USUAL: Final = r"^[1-9][0-9]{0,10}\.[0-9]{2}$"
_WITH_CENTS: Final = [code for code, exponent in EXPONENTS.items() if exponent >= 2]  # noqa: PLR2004
_TWO_DIGITS: Final = [code for code, exponent in EXPONENTS.items() if exponent == 2]  # noqa: PLR2004
_MAX_DIGITS: Final = len(str(MAX_AMOUNT_MINOR))


def exponent_of(currency: str) -> pl.Expr:
    """The currency column's fraction digits; null where the currency is absent or unknown."""
    return pl.col(currency).replace_strict(EXPONENTS, default=None, return_dtype=pl.Int64)


def amount_minor(amount: str, currency: str) -> pl.Expr:
    """Minor units; null where `amount_failures` holds or the currency is unknown."""
    both = pl.struct(pl.col(amount).alias(_AMOUNT), pl.col(currency).alias(_CURRENCY))
    return both.map_batches(_read_minor, return_dtype=pl.Int64(), is_elementwise=True)


def is_plain_amount(amount: str, currency: str) -> pl.Expr:
    """Where the text is surely valid in the row's currency; a cheap test.

    False says nothing: the exact checks must look at the row.
    """
    text, code = pl.col(amount), pl.col(currency)
    is_fraction_allowed = code.is_in(_WITH_CENTS) | ~text.str.contains(".", literal=True)
    return text.str.contains(_PLAIN) & is_fraction_allowed & code.is_in(list(EXPONENTS))


def _read_minor(rows: pl.Series) -> pl.Series:
    """Amounts like `25.00` in one step, the rest by the exact expressions."""
    frame = rows.struct.unnest()
    text, code = frame[_AMOUNT], frame[_CURRENCY]
    is_usual = (text.str.contains(_USUAL) & code.is_in(_TWO_DIGITS)).fill_null(value=False)
    usual = text if is_usual.all() else text.set(~is_usual, None)
    minor = usual.str.replace(".", "", literal=True).cast(pl.Int64)
    rest = (~is_usual).arg_true()
    if rest.is_empty():
        return minor
    exact = frame[rest].select(_exact_minor(_AMOUNT, _CURRENCY)).to_series()
    return minor.scatter(rest, exact)


def _exact_minor(amount: str, currency: str) -> pl.Expr:
    faults = amount_failures(amount, currency).values()
    return pl.when(~pl.any_horizontal(*faults)).then(_minor(amount, currency))


def amount_failures(amount: str, currency: str) -> dict[RowReason, pl.Expr]:
    """Reason -> where it holds, false for absent cells.

    With an unknown currency only the form of the text is checked, not its digits.
    """
    text = pl.col(amount)
    plain = text.str.contains(_UNSIGNED)
    positive = plain & text.str.contains("[1-9]")
    negative = text.str.contains(_NEGATIVE)
    too_many = _fraction(amount).str.len_bytes() > exponent_of(currency)
    too_large = (_digits(amount, currency).str.len_bytes() > _MAX_DIGITS) | (
        _minor(amount, currency) > MAX_AMOUNT_MINOR
    )
    failures = {
        RowReason.INVALID_AMOUNT: ~plain & ~negative,
        RowReason.NON_POSITIVE_AMOUNT: negative | (plain & ~positive),
        RowReason.TOO_MANY_FRACTION_DIGITS: positive & too_many,
        RowReason.AMOUNT_OUT_OF_RANGE: positive & ~too_many & too_large,
    }
    return {reason: failed.fill_null(value=False) for reason, failed in failures.items()}


def decimal_text(minor: pl.Expr, currency: pl.Expr) -> pl.Expr:
    """Text of minor units as decimal text: `2500`, USD -> `25.00`; other text is unchanged."""
    exponent = currency.replace_strict(EXPONENTS, default=0, return_dtype=pl.Int64)
    digits = minor.str.pad_start(exponent + 1, "0")
    text = pl.concat_str(digits.str.head(-exponent), pl.lit("."), digits.str.tail(exponent))
    return pl.when(minor.str.contains("^[0-9]+$") & (exponent > 0)).then(text).otherwise(minor)


def _dot(amount: str) -> pl.Expr:
    text = pl.col(amount)
    return text.str.find(".", literal=True).fill_null(text.str.len_bytes())


def _fraction(amount: str) -> pl.Expr:
    return pl.col(amount).str.slice(_dot(amount) + 1)


def _digits(amount: str, currency: str) -> pl.Expr:
    whole = pl.col(amount).str.slice(0, _dot(amount))
    padded = _fraction(amount).str.pad_end(exponent_of(currency), "0")
    return pl.concat_str(whole, padded).str.strip_chars_start("0")


def _minor(amount: str, currency: str) -> pl.Expr:
    # Longer digits do not fit into 64 bits; they are out of range in any case.
    return _digits(amount, currency).str.head(_MAX_DIGITS).cast(pl.Int64, strict=False)
