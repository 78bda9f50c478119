"""Card numbers in whole columns: what may be stored of them, and what is masked.

Belongs here: the vectorised use of cardops.rules.card_numbers. No column keeps more of a card
number than its BIN and last four digits.
"""

from collections.abc import Sequence

import polars as pl

from cardops.rules.card_numbers import CANDIDATE, mask_card_numbers


def mask_numbers_in_text(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """The rows with every card number that somebody typed into these columns truncated."""
    for name in columns:
        suspects = rows.filter(pl.col(name).str.contains(CANDIDATE))[name].unique()
        if not suspects.is_empty():
            safe = {text: mask_card_numbers(text) for text in suspects}
            rows = rows.with_columns(pl.col(name).replace(safe))
    return rows


def card_bin(card_number: str) -> pl.Expr:
    """The leading six digits, where at least six stand before any mask and a card has more."""
    digits = _without_separators(card_number)
    is_long = digits.str.len_bytes() > 10  # noqa: PLR2004 - BIN and last four would overlap
    return pl.when(is_long).then(digits.str.extract("^([0-9]{6})"))


def card_last4(card_number: str) -> pl.Expr:
    """The last four digits, of a masked number too."""
    return _without_separators(card_number).str.extract("([0-9]{4})$")


def _without_separators(card_number: str) -> pl.Expr:
    return pl.col(card_number).str.replace_all("[ -]", "")
