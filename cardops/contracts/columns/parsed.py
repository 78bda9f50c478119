"""Amounts and times of a chunk as numbers, parsed once, in columns beside their text.

Belongs here: the names of these columns. Most rows are judged by whether their text could be parsed, and
the lake gets what was parsed.
"""

from collections.abc import Mapping

import polars as pl

from cardops.contracts.columns.money import amount_minor
from cardops.contracts.columns.times import instant, written_day


def parsed_columns(amounts: Mapping[str, str], times: Mapping[str, bool]) -> list[pl.Expr]:
    """Every amount and instant, null where the text is invalid.

    `amounts`: column -> the one with its currency. `times`: column -> whether a date alone is valid.
    """
    minors = (
        amount_minor(name, currency).alias(_minor(name)) for name, currency in amounts.items()
    )
    instants = (
        instant(name, is_day_allowed=is_day_allowed).alias(_instant(name))
        for name, is_day_allowed in times.items()
    )
    return [*minors, *instants]


def parsed_minor(amount: str) -> pl.Expr:
    """The amount in minor units of its currency."""
    return pl.col(_minor(amount))


def parsed_instant(column: str) -> pl.Expr:
    """The instant; of a date its first moment."""
    return pl.col(_instant(column))


def parsed_day(column: str) -> pl.Expr:
    """The date as its sender wrote it, of a date or an instant."""
    return pl.when(parsed_instant(column).is_not_null()).then(written_day(column))


def _minor(amount: str) -> str:
    return f"minor of {amount}"


def _instant(column: str) -> str:
    return f"instant of {column}"
