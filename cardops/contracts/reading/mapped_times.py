"""A sender's dates and times as whole columns, in ISO 8601 and UTC for the contract.

Belongs here: formats and time zones; cardops.rules.mappings.dates reads one text at a time with the
same patterns. A day that no calendar has stays one, and is refused by the contract.
"""

from datetime import datetime
from functools import reduce
from typing import Final, Literal

import polars as pl

from cardops.contracts.columns.times import instant, is_naive
from cardops.rules.mappings.amounts import UNREADABLE
from cardops.rules.mappings.dates import MONTHS, DateFormat
from cardops.rules.mappings.mapping import FileMapping

_DAY_ALONE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_MONTH_NUMBERS: Final = {name: f"{number:02d}" for number, name in enumerate(MONTHS, start=1)}
_REPEATED: Final[dict[str, Literal["null", "earliest", "latest"]]] = {
    "refuse": "null",
    "earlier": "earliest",
    "later": "latest",
}


def contract_time(column: str, mapping: FileMapping, *, is_day_allowed: bool) -> pl.Expr:
    """The contract's text of a time; text in no format of the mapping is left as it is.

    `is_day_allowed`: a date needs no time of day, and no time zone moves it.
    """
    text = pl.col(column)
    if mapping.date_formats:
        # The first format that matches; they do not contradict each other.
        found = [_iso(text, date_format) for date_format in mapping.date_formats]
        text = pl.coalesce(*found, text)
    if mapping.time_of_day and not is_day_allowed:
        whole = pl.concat_str(text, pl.lit(f"T{mapping.time_of_day}"))
        text = pl.when(text.str.contains(_DAY_ALONE)).then(whole).otherwise(text)
    if mapping.time_zone is None:
        return text
    zone, repeated = mapping.time_zone, mapping.repeated_hour
    return text.map_batches(
        lambda texts: _in_zone(texts, zone, repeated, is_day_allowed=is_day_allowed),
        return_dtype=pl.String(),
        is_elementwise=True,
    )


def is_time_zone(name: str) -> bool:
    """Whether the zone is known here."""
    day = pl.Series([datetime(2026, 1, 1)])  # noqa: DTZ001 - the zone is what is asked for
    try:
        day.dt.replace_time_zone(name)
    except (pl.exceptions.ComputeError, pl.exceptions.PolarsError, ValueError):
        return False
    return True


def _iso(text: pl.Expr, date_format: DateFormat) -> pl.Expr:
    """ISO 8601 of the texts in this format; null for others."""
    parts, groups = text.str.extract_groups(date_format.pattern), date_format.groups

    def part(name: str) -> pl.Expr:
        return parts.struct.field(name)

    year = part("year") if "year" in groups else pl.concat_str(pl.lit("20"), part("short_year"))
    day = pl.concat_str(year, pl.lit("-"), _month(parts, groups), pl.lit("-"), _padded(part("day")))
    if not date_format.has_time:
        return day
    smaller = (
        part(name) if name in groups else pl.when(part("day").is_not_null()).then(pl.lit("00"))
        for name in ("minute", "second")
    )
    time = reduce(
        lambda whole, unit: pl.concat_str(whole, pl.lit(":"), unit), smaller, _hour(parts, groups)
    )
    if "fraction" in groups:
        time = pl.concat_str(time, pl.lit("."), part("fraction"))
    offset = part("offset") if "offset" in groups else pl.lit("")
    return pl.concat_str(day, pl.lit("T"), time, offset)


def _padded(digits: pl.Expr) -> pl.Expr:
    return digits.str.zfill(2)


def _month(parts: pl.Expr, groups: frozenset[str]) -> pl.Expr:
    """Two digits; a name of no month becomes a month that no calendar has."""
    if "month" in groups:
        return _padded(parts.struct.field("month"))
    name = parts.struct.field("month_name").str.to_lowercase()
    number = name.replace_strict(_MONTH_NUMBERS, default="00", return_dtype=pl.String())
    return pl.when(name.is_not_null()).then(number)


def _hour(parts: pl.Expr, groups: frozenset[str]) -> pl.Expr:
    if "hour" in groups:
        return _padded(parts.struct.field("hour"))
    number = parts.struct.field("half_hour").cast(pl.Int64, strict=False)
    is_afternoon = parts.struct.field("half").str.to_lowercase() == "pm"
    hour = number % 12 + 12 * is_afternoon.cast(pl.Int64)
    on_the_clock = number.is_between(1, 12)
    return _padded(pl.when(on_the_clock).then(hour).when(~on_the_clock).then(99).cast(pl.String))


def _in_zone(texts: pl.Series, zone: str, repeated: str, *, is_day_allowed: bool) -> pl.Series:
    """Times without an offset as instants; those that the zone has twice or never are marked.

    In UTC, except where the day as written counts.
    """
    frame = texts.rename("text").to_frame()
    wall = frame.select(pl.when(is_naive("text")).then(instant("text"))).to_series()
    rows = wall.is_not_null().arg_true()
    if rows.is_empty():
        return texts
    local = wall.gather(rows).dt.replace_time_zone(None)
    at = local.dt.replace_time_zone(zone, ambiguous=_REPEATED[repeated], non_existent="null")
    if is_day_allowed:
        found = at.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f%:z")
    else:
        at = at.dt.convert_time_zone("UTC")
        usual, exact = (at.dt.strftime(f"%Y-%m-%dT%H:%M:%S{part}Z") for part in ("", "%.6f"))
        found = exact.zip_with(at.dt.microsecond().fill_null(0) > 0, usual)
    found = found.fill_null(UNREADABLE + texts.gather(rows))
    return texts.scatter(rows, found)
