"""Typed values of Parquet as text, which the contracts judge.

Belongs here: one column at a time. Most are converted whole; values that Arrow or Polars do not write as
somebody would are converted one by one.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import polars as pl
import pyarrow as pa

from cardops.rules.mappings.amounts import UNREADABLE

# From here on neighbouring whole numbers are one floating-point number: which was meant is not known.
_FIRST_UNSURE: Final = {16: 2**11, 32: 2**24, 64: 2**53}
_NO_FRACTION: Final = ".000000"


@dataclass(frozen=True, slots=True)
class Texts:
    """A column as text; `bad`: rows whose bytes are no text, or have a NUL."""

    values: pl.Series
    bad: Sequence[int] = ()


def texts_of(column: pa.Array) -> Texts:
    """The values as text, null where there is none."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    for is_kind, converted in _CONVERTERS:
        if is_kind(column.type):
            return converted(column)
    return Texts(pl.Series(column.cast(pa.string()), dtype=pl.String))


def is_number(kind: pa.DataType) -> bool:
    """Whether values are exact numbers."""
    return bool(pa.types.is_decimal(kind) or pa.types.is_integer(kind))


def _is_text(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary,
        pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary,
    )  # fmt: skip
    return any(test(kind) for test in tests)


def _texts(column: pa.Array) -> Texts:
    """Bytes as UTF-8; where some are not, value by value."""
    try:
        column.validate(full=True)
        if pa.types.is_fixed_size_binary(column.type):
            column = column.cast(pa.binary())
        return _checked(pl.Series(column.cast(pa.large_string()), dtype=pl.String))
    except pa.ArrowInvalid:
        values = column.cast(pa.large_binary()).to_pylist()
    texts = [None if value is None else value.decode(errors="replace") for value in values]
    checked = _checked(pl.Series(texts, dtype=pl.String))
    are_texts = [value is None or _is_utf8(value) for value in values]
    bad = {row for row, is_text in enumerate(are_texts) if not is_text}
    return Texts(checked.values, sorted(bad.union(checked.bad)))


def _checked(texts: pl.Series) -> Texts:
    return Texts(texts, texts.str.contains("\0", literal=True).arg_true().to_list())


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _instants(column: pa.Array) -> Texts:
    """Instants in UTC, whatever zone the column is displayed in; its name may be unknown here."""
    zone, offset = ("UTC", "Z") if column.type.tz else (None, "")
    # Nanoseconds are truncated to microseconds; instants outside the range of microseconds are refused.
    instants = column.cast(pa.timestamp("us", zone), safe=column.type.unit != "ns")
    texts = pl.Series(instants).dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{offset}")
    return Texts(texts.str.replace(_NO_FRACTION, "", literal=True))


def _decimals(column: pa.Array) -> Texts:
    """Digits without an exponent and without last zeros: their number is that of the whole column.

    A column of several currencies has as many as the currency with the most of them.
    """
    if pa.types.is_decimal128(column.type) and column.type.scale >= 0:
        texts = pl.Series(column).cast(pl.String)
    else:
        values = (None if value is None else f"{value:f}" for value in column.to_pylist())
        texts = pl.Series(list(values), dtype=pl.String)
    return Texts(texts.str.replace(r"\.0*$|(\.[0-9]*[1-9])0+$", "${1}"))


def _doubles(column: pa.Array) -> Texts:
    """The fewest digits that are the same number; unreadable where it stands for several."""
    limit = _FIRST_UNSURE[column.type.bit_width]
    texts = column.cast(pa.string()).to_pylist()
    digits = [None if text is None else _digits(text, limit) for text in texts]
    return Texts(pl.Series(digits, dtype=pl.String))


def _digits(text: str, limit: int) -> str | None:
    value = Decimal(text)
    if value.is_nan():
        return None
    is_whole = value.is_finite() and value == value.to_integral_value()
    digits = f"{value.to_integral_value() if is_whole else value:f}"
    return UNREADABLE + digits if abs(value) >= limit else digits


def _nested(column: pa.Array) -> Texts:
    texts = [
        None if value is None else json.dumps(value, default=str, ensure_ascii=False)
        for value in column.to_pylist()
    ]
    return _checked(pl.Series(texts, dtype=pl.String))


_CONVERTERS: Final[Sequence[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Texts]]]] = (
    (_is_text, _texts),
    (pa.types.is_timestamp, _instants),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_floating, _doubles),
    (pa.types.is_nested, _nested),
)
