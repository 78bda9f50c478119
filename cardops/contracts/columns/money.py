"""Amounts as whole columns; cardops.rules.money.parse_amount is the scalar oracle in tests.

Belongs here: decimal text to minor units and back, as polars expressions. No rounding, no float.
"""

from collections.abc import Collection
from typing import Final

import polars as pl

from cardops.rules.currencies import EXPONENTS
from cardops.rules.intake.files import RowReason
from cardops.rules.money import MAX_AMOUNT_MINOR

_UNSIGNED: Final = r"^[0-9]+(\.[0-9]+)?$"
_NEGATIVE: Final = r"^-[0-9]+(\.[0-9]+)?$"
_AMOUNT, _CURRENCY = "amount", "currency"
# Positive, and below the largest amount in every currency.
_USUAL: Final = r"^[1-9][0-9]{0,10}\.[0-9]{2}$"
_TWO_DIGITS: Final = frozenset(
    code
    for code, exponent in EXPONENTS.items()
    if exponent == 2  # noqa: PLR2004
)
_MAX_DIGITS: Final = len(str(MAX_AMOUNT_MINOR))


def exponent_of(currency: str) -> pl.Expr:
    """The currency column's fraction digits; null where the currency is absent or unknown."""
    return pl.col(currency).replace_strict(EXPONENTS, default=None, return_dtype=pl.Int64)


def amount_minor(amount: str, currency: str) -> pl.Expr:
    """Minor units; null where `amount_failures` holds or the currency is unknown."""
    both = pl.struct(pl.col(amount).alias(_AMOUNT), pl.col(currency).alias(_CURRENCY))
    return both.map_batches(_read_minor, return_dtype=pl.Int64(), is_elementwise=True)


def _read_minor(rows: pl.Series) -> pl.Series:
    """Amounts like `25.00` in one step, the rest by the exact expressions."""
    frame = rows.struct.unnest()
    text, code = frame[_AMOUNT], frame[_CURRENCY]
    if text.null_count() == len(text):
        return pl.repeat(None, len(text), dtype=pl.Int64, eager=True)
    is_usual = (text.str.contains(_USUAL) & is_among(code, _TWO_DIGITS)).fill_null(value=False)
    usual = text if is_usual.all() else text.set(~is_usual, None)
    minor = usual.cast(pl.Decimal(_MAX_DIGITS, 2)).to_physical().cast(pl.Int64)
    rest = (~is_usual & text.is_not_null()).arg_true()
    if rest.is_empty():
        return minor
    exact = frame[rest].select(_exact_minor(_AMOUNT, _CURRENCY)).to_series()
    return minor.scatter(rest, exact)


def is_among(codes: pl.Series, allowed: Collection[str]) -> pl.Series:
    """Which of the codes are allowed; most files have one code in every row."""
    if codes.is_empty() or codes[0] is None:
        return codes.is_in(list(allowed))
    is_first = codes == codes[0]
    others = (~is_first).arg_true()
    found: pl.Series = is_first if codes[0] in allowed else is_first & False
    return found.scatter(others, codes.gather(others).is_in(list(allowed)))


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
