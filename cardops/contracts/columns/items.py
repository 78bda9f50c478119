"""An order's items: how many, and what they add up to, exactly.

Belongs here: the only cell that holds a table; it is read row by row.
"""

import json
import re
from decimal import Decimal
from typing import Any, Final

import polars as pl

from cardops.rules.currencies import EXPONENTS

_NUMBER: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_SUMMARY: Final = pl.Struct({"items_count": pl.Int64, "items_total_minor": pl.Int64})


def items_summary(items: str, currency: str) -> pl.Expr:
    """`items_count` and `items_total_minor`; null where items are absent or unreadable."""
    return pl.struct(items, currency).map_elements(
        lambda row: _summary(row[items], row[currency]),
        return_dtype=_SUMMARY,
        skip_nulls=False,
    )


def do_not_add_up(items: str, amount_minor: pl.Expr, currency: str) -> pl.Expr:
    """Where there are items and their sum is not the order's amount, or cannot be known."""
    total = items_summary(items, currency).struct.field("items_total_minor")
    return pl.col(items).is_not_null() & amount_minor.ne_missing(total)


def _summary(items: str | None, currency: str | None) -> dict[str, int | None]:
    unreadable: dict[str, int | None] = {"items_count": None, "items_total_minor": None}
    if items is None or currency not in EXPONENTS:
        return unreadable
    try:
        lines = json.loads(items, parse_float=str, parse_int=str)
        total = sum((_line_total(line) for line in lines), Decimal())
    except (ValueError, TypeError, KeyError, RecursionError):
        return unreadable
    minor = total.scaleb(EXPONENTS[currency])
    is_whole = minor == minor.to_integral_value() and minor < 2**63
    return {"items_count": len(lines), "items_total_minor": int(minor) if is_whole else None}


def _line_total(line: dict[str, Any]) -> Decimal:
    return _number(line["quantity"]) * _number(line["unit_price"])


def _number(text: Any) -> Decimal:
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise ValueError("not a plain number")
    return Decimal(text)
