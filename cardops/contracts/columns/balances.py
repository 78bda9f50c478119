"""Balances as whole columns: like amounts, and they may be zero or below, with a minus sign."""

from typing import Final

import polars as pl

from cardops.contracts.columns.money import exponent_of
from cardops.rules.intake.files import RowReason
from cardops.rules.money import MAX_AMOUNT_MINOR

_BALANCE: Final = r"^-?[0-9]+(\.[0-9]+)?$"
_FRACTION: Final = r"\.([0-9]+)$"


def balance_minor(balance: str, currency: str) -> pl.Expr:
    """Minor units with their sign; null where `balance_failures` holds or the currency is unknown."""
    minor = _digits(balance, currency).cast(pl.Int64, strict=False)
    is_valid = ~pl.any_horizontal(*balance_failures(balance, currency).values())
    signed = pl.when(pl.col(balance).str.starts_with("-")).then(-minor).otherwise(minor)
    return pl.when(is_valid).then(signed)


def balance_failures(balance: str, currency: str) -> dict[RowReason, pl.Expr]:
    """Reason -> where it holds, false for absent cells."""
    text = pl.col(balance)
    is_decimal = text.str.contains(_BALANCE)
    fraction = text.str.extract(_FRACTION).fill_null("")
    minor = _digits(balance, currency).cast(pl.Int64, strict=False)
    failures = {
        RowReason.INVALID_AMOUNT: ~is_decimal,
        RowReason.TOO_MANY_FRACTION_DIGITS: is_decimal
        & (fraction.str.len_bytes() > exponent_of(currency)),
        RowReason.AMOUNT_OUT_OF_RANGE: is_decimal
        & exponent_of(currency).is_not_null()
        & (minor.is_null() | (minor > MAX_AMOUNT_MINOR)),
    }
    return {reason: failed.fill_null(value=False) for reason, failed in failures.items()}


def _digits(balance: str, currency: str) -> pl.Expr:
    """All digits up to the currency's last fraction digit, without point and sign."""
    text = pl.col(balance)
    whole = text.str.extract(r"^-?0*([0-9]+)")
    fraction = text.str.extract(_FRACTION).fill_null("").str.head(exponent_of(currency))
    padding = (exponent_of(currency) - fraction.str.len_bytes().cast(pl.Int64)).clip(0)
    return pl.concat_str(whole, fraction, pl.lit("0").repeat_by(padding).list.join(""))
