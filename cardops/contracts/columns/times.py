"""Instants and dates as whole columns, from ISO 8601 text.

Belongs here: text to UTC, and why text is invalid. The present is a parameter.
"""

import re
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from cardops.contracts.columns.types import INSTANT

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
# The same for other languages: groups have no names.
INSTANT_PATTERN, DAY_OR_INSTANT_PATTERN = (
    re.sub(r"\(\?P<\w+>", "(", pattern) for pattern in (_INSTANT, _DAY_OR_INSTANT)
)


# The usual forms, `2026-11-20T10:00:00Z` and `2026-11-20`, of days that are in every year.
_SURE_DAY: Final = (
    r"(?:19|2[0-9])[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_USUAL_INSTANT: Final = f"^{_SURE_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"
_USUAL_DAY: Final = f"^{_SURE_DAY}$"
_DAY_BYTES: Final = len("2026-11-20")


def is_plain_time(
    column: str, parsed: pl.Expr, latest: datetime | None, *, is_day_allowed: bool
) -> pl.Expr:
    """Where the text is surely valid, has an offset and is not after `latest`; a cheap test.

    `parsed`: its `instant`. False says nothing: the exact checks must look at the row.
    """
    text = pl.col(column)
    is_utc = text.str.ends_with("Z")
    if is_day_allowed:
        is_utc |= text.str.len_bytes() == _DAY_BYTES
    is_plain = parsed.is_not_null() & is_utc
    return is_plain if latest is None else is_plain & (parsed <= pl.lit(latest))


def instant(column: str, *, is_day_allowed: bool = False) -> pl.Expr:
    """The UTC instant of the text, or null; a date without a time is its first moment."""
    read = partial(_read_instants, is_day_allowed=is_day_allowed)
    return pl.col(column).map_batches(read, return_dtype=INSTANT, is_elementwise=True)


def _read_instants(texts: pl.Series, *, is_day_allowed: bool) -> pl.Series:
    """The usual forms in one step, the rest by `_exact_instant`."""
    if texts.null_count() == len(texts):
        return pl.repeat(None, len(texts), dtype=INSTANT, eager=True)
    instants = _usual(texts, _USUAL_INSTANT, pa.timestamp("us", "UTC"))
    if is_day_allowed and instants.null_count() > texts.null_count():
        days = _usual(texts, _USUAL_DAY, pa.date32()).cast(INSTANT)
        instants = instants.zip_with(instants.is_not_null(), days)
    rest = (instants.is_null() & texts.is_not_null()).arg_true()
    if rest.is_empty():
        return instants
    exact = _exact_instant(texts.name, is_day_allowed=is_day_allowed)
    return instants.scatter(rest, texts.gather(rest).to_frame().select(exact).to_series())


def _usual(texts: pl.Series, form: str, arrow_type: pa.DataType) -> pl.Series:
    """The texts of this form by Arrow's parser, which accepts others too and raises at the rest."""
    is_usual = texts.str.contains(form)
    of_form = texts if is_usual.all(ignore_nulls=False) else texts.set(~is_usual, None)
    return pl.Series(texts.name, pc.cast(of_form.to_arrow(), arrow_type))


def _exact_instant(column: str, *, is_day_allowed: bool) -> pl.Expr:
    parts = _parts(column, is_day_allowed=is_day_allowed)
    day = parts.struct.field("day").str.to_date("%Y-%m-%d", strict=False)
    seconds = _number(parts, "hour") * 3600 + _number(parts, "minute") * 60
    fraction = parts.struct.field("fraction").fill_null("").str.pad_end(6, "0").str.head(6)
    micros = (seconds + _number(parts, "second") - _offset(parts)) * 1_000_000
    since_epoch = day.cast(pl.Int64) * 86_400_000_000 + micros + fraction.cast(pl.Int64)
    return since_epoch.cast(pl.Datetime("us", "UTC"))


def day(column: str) -> pl.Expr:
    """The date as it is written, of a day or an instant: the day that its sender means."""
    is_valid = instant(column, is_day_allowed=True).is_not_null()
    return pl.when(is_valid).then(written_day(column))


def written_day(column: str) -> pl.Expr:
    """The date with which the text begins; null where there is none."""
    return pl.col(column).str.head(_DAY_BYTES).str.to_date("%Y-%m-%d", strict=False)


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
