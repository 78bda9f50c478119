"""Cells as reports write them, as the contract's texts: amounts with signs, American dates, time zones.

Belongs here: what several processors' modules need.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

from cardops.contracts.columns.money import decimal_text
from cardops.rules.intake.damage import SPREADSHEET_NUMBER
from cardops.rules.intake.files import ID_PATTERN

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
_WITH_OFFSET: Final = r"[Zz]$|[+-][0-9]{2}:?[0-9]{2}$"
_ISO_DAY: Final = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]|[Zz]$|[+-][0-9]{2}:[0-9]{2}$)"
_AMERICAN_DAYS: Final[Mapping[str, str]] = {
    "%m/%d/%Y": r"^([0-9]{1,2}/[0-9]{1,2}/[0-9]{4})(?: |$)",
    "%m/%d/%y": r"^([0-9]{1,2}/[0-9]{1,2}/[0-9]{2})(?: |$)",
}
_CREDITS: Final = ("c", "cr", "credit")
_DEBITS: Final = ("d", "dr", "db", "debit")


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


def first_id(*columns: str) -> pl.Expr:
    """The first of these that can be an id, as a shop's reference in words cannot; else the first.

    What a spreadsheet left of an id counts, so that it is said.
    """
    can_be_id = f"^(?:{ID_PATTERN}|{SPREADSHEET_NUMBER})$"
    ids = (pl.when(pl.col(name).str.contains(can_be_id)).then(name) for name in columns)
    return pl.coalesce(*ids, *columns)


def minor_units(column: str, currency: pl.Expr) -> pl.Expr:
    """Whole minor units as decimal text, without their sign; other text stays no amount at all."""
    text = pl.col(column)
    digits = text.str.extract(r"^[+-]?([0-9]+)(?:\.0)?$")
    return pl.coalesce(decimal_text(digits, currency), pl.concat_str(pl.lit("minor "), text))


def is_credit_word(column: str) -> pl.Expr:
    """Where an indicator names the side of credits, as a letter or a word."""
    return _word(column).is_in(_CREDITS).fill_null(value=False)


def is_debit_word(column: str) -> pl.Expr:
    """Where an indicator names the side of debits."""
    return _word(column).is_in(_DEBITS).fill_null(value=False)


def _word(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().str.to_lowercase()


def iso_date(column: str) -> pl.Expr:
    """The day of a date that may have a time or a time zone; other text is unchanged.

    `11/20/2026` is how American reports write it where they do not write ISO 8601.
    """
    text = pl.col(column)
    american = (
        text.str.extract(pattern).str.to_date(form, strict=False).dt.to_string("%Y-%m-%d")
        for form, pattern in _AMERICAN_DAYS.items()
    )
    return pl.coalesce(*american, text.str.extract(_ISO_DAY), text)


def iso_instant(column: str) -> pl.Expr:
    """The instant, or null: a spreadsheet leaves `00:00.0` of a time."""
    text = pl.col(column)
    return pl.when(text.str.contains(_INSTANT)).then(text)


def zoned(column: str, zone: str) -> pl.Expr:
    """A local time with the offset of its time zone; its date alone where the zone is unknown."""
    named = pl.col(zone).str.to_uppercase()
    offset = named.replace_strict(_OFFSETS, default=None, return_dtype=pl.String())
    local = iso_instant(column).str.replace(" ", "T")
    has_offset = local.str.contains(_WITH_OFFSET)
    whole = pl.when(has_offset).then(local).otherwise(pl.concat_str(local, offset))
    return pl.coalesce(whole, pl.col(column).str.head(len("2026-11-20")))
