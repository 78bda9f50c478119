"""Cells as reports write them, as the contract's texts: amounts with signs, American dates, time zones.

Belongs here: what several processors' modules need.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

# Offsets of the time zones that reports name beside a time without one.
_OFFSETS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("UTC", "GMT", "WET"), "+00:00"),
    **dict.fromkeys(("CET", "BST", "WEST", "MET"), "+01:00"),
    **dict.fromkeys(("CEST", "EET", "MEST"), "+02:00"),
    "EEST": "+03:00",
    "SGT": "+08:00",
    "JST": "+09:00",
    "AEST": "+10:00",
    "AEDT": "+11:00",
    "BRT": "-03:00",
    "EDT": "-04:00",
    **dict.fromkeys(("EST", "CDT"), "-05:00"),
    **dict.fromkeys(("CST", "MDT"), "-06:00"),
    **dict.fromkeys(("MST", "PDT"), "-07:00"),
    "PST": "-08:00",
}
_INSTANT: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}"


def unsigned(column: str) -> pl.Expr:
    """The amount without its sign, and without zeros after the last digit that counts: `10.00000`."""
    text = pl.col(column).str.strip_prefix("-").str.strip_prefix("+")
    return text.str.replace(r"\.0*$|(\.[0-9]*[1-9])0+$", "${1}")


def is_negative(column: str) -> pl.Expr:
    """Where the amount is below zero."""
    return pl.col(column).str.starts_with("-").fill_null(value=False)


def credit_where(is_credit: pl.Expr) -> pl.Expr:
    """The contract's `direction`."""
    return pl.when(is_credit).then(pl.lit("credit")).otherwise(pl.lit("debit"))


def iso_date(column: str) -> pl.Expr:
    """`11/20/2026` is how American reports write a date where they do not write ISO 8601."""
    text = pl.col(column)
    american = text.str.extract(r"^([0-9]{1,2}/[0-9]{1,2}/[0-9]{4})").str.to_date(
        "%m/%d/%Y", strict=False
    )
    return pl.coalesce(american.dt.to_string("%Y-%m-%d"), text)


def iso_instant(column: str) -> pl.Expr:
    """The instant, or null: a spreadsheet leaves `00:00.0` of a time."""
    text = pl.col(column)
    return pl.when(text.str.contains(_INSTANT)).then(text)


def zoned(column: str, zone: str) -> pl.Expr:
    """A local time with the offset of its time zone; its date alone where the zone is unknown."""
    offset = pl.col(zone).replace_strict(_OFFSETS, default=None, return_dtype=pl.String())
    whole = pl.concat_str(iso_instant(column).str.replace(" ", "T"), offset)
    return pl.coalesce(whole, pl.col(column).str.head(len("2026-11-20")))
