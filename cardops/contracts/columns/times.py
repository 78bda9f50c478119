"""Instants and dates as whole columns, from ISO 8601 text.

Belongs here: text to UTC, and why text is invalid. The present is a parameter.
"""

from datetime import datetime, timedelta
from typing import Final

import polars as pl

# Senders' clocks run ahead; a day also covers every time zone.
MAX_AHEAD: Final = timedelta(hours=24)

_DATE: Final = r"(?P<day>(?:19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2})"
_TIME: Final = (
    r"[Tt ](?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
)
_OFFSET: Final = (
    r"(?P<offset>[Zz]|(?P<sign>[+-])(?P<ahead_hours>[01][0-9]|2[0-3])"
    r"(?::?(?P<ahead_minutes>[0-5][0-9]))?)?"
)
_INSTANT: Final = f"^{_DATE}{_TIME}{_OFFSET}$"
_DAY_OR_INSTANT: Final = f"^{_DATE}(?:{_TIME}{_OFFSET})?$"


def instant(column: str, *, is_day_allowed: bool = False) -> pl.Expr:
    """The UTC instant of the text, or null; a date without a time is its first moment."""
    parts = _parts(column, is_day_allowed=is_day_allowed)
    day = parts.struct.field("day").str.to_date("%Y-%m-%d", strict=False)
    seconds = _number(parts, "hour") * 3600 + _number(parts, "minute") * 60
    fraction = parts.struct.field("fraction").fill_null("").str.pad_end(6, "0").str.head(6)
    micros = (seconds + _number(parts, "second") - _offset(parts)) * 1_000_000
    since_epoch = day.cast(pl.Int64) * 86_400_000_000 + micros + fraction.cast(pl.Int64)
    return since_epoch.cast(pl.Datetime("us", "UTC"))


def day(column: str) -> pl.Expr:
    """The UTC date of a day or an instant."""
    return instant(column, is_day_allowed=True).dt.date()


def is_invalid_time(column: str, *, is_day_allowed: bool) -> pl.Expr:
    """Where there is text that is not an instant (or a date, where that is allowed)."""
    unread = instant(column, is_day_allowed=is_day_allowed).is_null()
    return pl.col(column).is_not_null() & unread


def is_ahead(column: str, now: datetime, *, is_day_allowed: bool) -> pl.Expr:
    """Where the instant is further ahead than clocks and time zones explain."""
    ahead = instant(column, is_day_allowed=is_day_allowed) > pl.lit(now + MAX_AHEAD)
    return ahead.fill_null(value=False)


def is_naive(column: str) -> pl.Expr:
    """Where a time of day has no offset: it is read as UTC and flagged."""
    text = pl.col(column)
    return text.str.contains(f"^{_DATE}{_TIME}$").fill_null(value=False)


def _parts(column: str, *, is_day_allowed: bool) -> pl.Expr:
    return pl.col(column).str.extract_groups(_DAY_OR_INSTANT if is_day_allowed else _INSTANT)


def _number(parts: pl.Expr, name: str) -> pl.Expr:
    return parts.struct.field(name).cast(pl.Int64).fill_null(0)


def _offset(parts: pl.Expr) -> pl.Expr:
    seconds = _number(parts, "ahead_hours") * 3600 + _number(parts, "ahead_minutes") * 60
    return pl.when(parts.struct.field("sign") == "-").then(-seconds).otherwise(seconds)
