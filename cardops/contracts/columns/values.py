"""Judged text to the values of the lake's tables; asked of valid rows only.

Belongs here: one lake column each, and what is cut off a card number before it is kept.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from cardops.contracts.columns.items import items_summary
from cardops.contracts.columns.money import amount_minor
from cardops.contracts.columns.times import day, instant
from cardops.contracts.lake.tables import LAKE_TABLES
from cardops.rules.card_numbers import CANDIDATE, mask_card_numbers
from cardops.rules.intake.files import Kind

# Told by the one who stores: which file, which row.
ORIGIN: Final = ("program", "intake_id", "source_file", "row_number", "flags")
_ORIGIN_AND_LATER: Final = frozenset({*ORIGIN, "ledger_seq", "batch_id"})


def lake_columns(kind: Kind) -> tuple[str, ...]:
    """The columns of the kind's table that a row itself tells."""
    return tuple(name for name in LAKE_TABLES[kind] if name not in _ORIGIN_AND_LATER)


def valued(valid: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """`row_number`, `raw`, `flags` and the kind's lake columns, typed, of valid judged rows."""
    valid = without_numbers_in_text(valid, _TYPED_BY_PEOPLE.get(kind, ()))
    told = _DERIVED[kind]
    schema = LAKE_TABLES[kind]
    names = lake_columns(kind)
    values = (told.get(name, pl.col(name)).cast(schema[name]).alias(name) for name in names)
    return valid.lazy().select("row_number", "raw", "flags", *values).collect()


def without_numbers_in_text(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The rows with every card number that somebody typed into these columns truncated."""
    for name in columns:
        suspects = rows.filter(pl.col(name).str.contains(CANDIDATE))[name].unique()
        if not suspects.is_empty():
            safe = {text: mask_card_numbers(text) for text in suspects}
            rows = rows.with_columns(pl.col(name).replace(safe))
    return rows


def card_bin(card_number: str) -> pl.Expr:
    """The leading six digits, where at least six stand before any mask and a card has more."""
    digits = _signs(card_number)
    is_long = digits.str.len_bytes() > 10  # noqa: PLR2004 - BIN and last four would overlap
    return pl.when(is_long).then(digits.str.extract("^([0-9]{6})"))


def card_last4(card_number: str) -> pl.Expr:
    """The last four digits, of a masked number too."""
    return _signs(card_number).str.extract("([0-9]{4})$")


def _signs(card_number: str) -> pl.Expr:
    return pl.col(card_number).str.replace_all("[ -]", "")


_TYPED_BY_PEOPLE: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.TRANSACTIONS: ("error_code", "device_id", "card_token"),
    Kind.CHARGEBACKS: ("merchant_name", "chargeback_reason", "reason_code"),
}
_TRANSACTIONS: Final[Mapping[str, pl.Expr]] = {
    "amount_minor": amount_minor("amount", "currency"),
    "card_bin": card_bin("card_number"),
    "card_last4": card_last4("card_number"),
    "created_at": instant("created_at"),
    "updated_at": instant("updated_at"),
}
_ITEMS: Final = items_summary("items", "currency")
_DERIVED: Final[Mapping[Kind, Mapping[str, pl.Expr]]] = {
    Kind.DEPOSITS: {
        "amount_minor": amount_minor("amount", "currency"),
        "occurred_at": instant("timestamp"),
    },
    Kind.TRANSACTIONS: _TRANSACTIONS,
    Kind.ORDERS: {
        "amount_minor": amount_minor("amount", "currency"),
        "items_count": _ITEMS.struct.field("items_count"),
        "items_total_minor": _ITEMS.struct.field("items_total_minor"),
        "created_at": instant("created_at"),
        "updated_at": instant("updated_at"),
    },
    Kind.CHARGEBACKS: {
        "card_bin": card_bin("card_number"),
        "card_last4": card_last4("card_number"),
        "transaction_date": day("transaction_date"),
        "transaction_amount_minor": amount_minor("transaction_amount", "currency"),
        "dispute_amount_minor": amount_minor("chargeback_amount", "currency"),
        "dispute_currency": pl.col("currency"),
        "dispute_date": day("dispute_date"),
        "reason_text": pl.col("chargeback_reason"),
        "reply_by_date": day("reply_by_date"),
        "resolution_date": day("resolution_date"),
    },
}
