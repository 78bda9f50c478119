"""The text of each cell of a chargeback file, as expressions over whole columns.

Belongs here: how a value is written. Which rows a file has and their order are in chargeback_csv.
"""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final

import polars as pl
from polars import selectors

from cardops.rules.chargebacks.disputes import Stage
from cardops.rules.chargebacks.files import (
    ACTIONS,
    FORMULA_STARTS,
    TEXT_COLUMNS,
    Action,
    columns_of,
)
from cardops.rules.chargebacks.layouts import (
    AMOUNT_COLUMNS,
    DATE_COLUMNS,
    DATE_FORMATS,
    DestinationLayout,
)
from cardops.rules.currencies import EXPONENTS

# Column of the file -> lake columns of its minor units and its currency.
AMOUNTS: Final = {
    "transaction_amount": ("transaction_amount_minor", "transaction_currency"),
    "dispute_amount": ("dispute_amount_minor", "dispute_currency"),
    "settlement_amount": ("settlement_amount_minor", "settlement_currency"),
}
ALL_EXPONENTS: Final = frozenset(EXPONENTS.values())
# What the line of a dispute asks for with whose row evidence goes; absent where none goes with any.
EVIDENCE_ACTION: Final = "evidence_action"
_DEADLINE: Final = "reply_by_date"
# A column that a batch adds -> columns of the lake from which it follows.
_BEHIND: Final[Mapping[str, tuple[str, ...]]] = {"outcome": ("stage", "status")}
# Day 0 of a date's number.
_FIRST_DAY: Final = date(1970, 1, 1)
FORMULA: Final = f"^[{''.join(FORMULA_STARTS).replace('-', '')}-]"


def plain_cells(version: int) -> list[pl.Expr]:
    """The cells of our own layout, formulas unchanged."""
    return [cell(name, version, neutralise=False).alias(name) for name in columns_of(version)]


def origins_of(name: str, version: int, known: Collection[str]) -> list[str]:
    """Those of the known columns from which a column of the file is written, sorted.

    Read off the cell's expression; a column that a batch adds to its rows stands for those behind it.
    """
    roots = cell(name, version, neutralise=False).meta.root_names()
    behind = {origin for root in roots for origin in _BEHIND.get(root, (root,))}
    if name == _DEADLINE:
        # An expression does not name what it selects where it is there.
        behind |= {"reply_by_on", _DEADLINE}
    return sorted(behind.intersection(known))


def cells_of(
    layout: DestinationLayout,
    version: int,
    *,
    neutralise: bool,
    exponents: Collection[int] = ALL_EXPONENTS,
) -> list[pl.Expr]:
    """The cells of a line in their order. `exponents`: those that the rows' currencies have."""
    return [
        (
            pl.lit(column.constant)
            if column.column is None
            else _shown(column.column, layout, version, neutralise, exponents)
        ).alias(column.header)
        for column in layout.columns
    ]


def _shown(
    name: str,
    layout: DestinationLayout,
    version: int,
    neutralise: bool,  # noqa: FBT001 - handed on
    exponents: Collection[int],
) -> pl.Expr:
    """Our column as the layout writes dates and amounts."""
    text = cell(name, version, neutralise=neutralise, exponents=exponents)
    if name in AMOUNT_COLUMNS and layout.amounts == "minor":
        return pl.col(AMOUNTS[name][0]).cast(pl.String).fill_null("")
    pattern = DATE_FORMATS[layout.date_format]
    if name in DATE_COLUMNS and pattern != DATE_FORMATS["YYYY-MM-DD"]:
        return text.str.to_date("%Y-%m-%d", strict=False).dt.strftime(pattern).fill_null("")
    return text


def cell(
    name: str, version: int, *, neutralise: bool, exponents: Collection[int] = ALL_EXPONENTS
) -> pl.Expr:
    """One column's text."""
    if name in AMOUNTS:
        return _amount(*AMOUNTS[name], exponents)
    if name == "action":
        return _action()
    value = pl.col(name)
    if name == _DEADLINE:
        # The step's own clock where the feed names no date; rows of older lake files have none.
        value = pl.coalesce(selectors.by_name("reply_by_on", _DEADLINE, require_all=False))
    if version > 1 and name in {_DEADLINE, "clock"}:
        value = pl.when(pl.col("outcome").is_null()).then(value)
    if version > 1 and name == "status":
        # A stage that ends a dispute is its status where the feed names none.
        value = pl.coalesce("status", "outcome")
    if name in DATE_COLUMNS:
        value = value.map_batches(date_texts, return_dtype=pl.String, is_elementwise=True)
    text = value.cast(pl.String).fill_null("")
    if neutralise and name in TEXT_COLUMNS:
        return pl.when(_mark(name)).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)
    return text


def formula_marks() -> list[pl.Expr]:
    """For each text whether a spreadsheet would run it: what neutralised cells are made from."""
    return [
        pl.col(name).str.contains(FORMULA).fill_null(value=False).alias(_mark(name))
        for name in TEXT_COLUMNS
    ]


def formula_count() -> pl.Expr:
    """How many texts of rows with marks a spreadsheet would run."""
    return pl.sum_horizontal(pl.col(_mark(name)).sum() for name in TEXT_COLUMNS)


def _mark(name: str) -> str:
    return f"{name} is a formula"


def exponents_of(rows: pl.DataFrame) -> Collection[int]:
    """Those of the rows' currencies, which are few; all of them where a currency is not known."""
    names = {name for _, name in AMOUNTS.values() if name in rows.columns}
    found = {currency for name in names for currency in rows[name].unique().drop_nulls()}
    return {EXPONENTS[name] for name in found} if found <= EXPONENTS.keys() else ALL_EXPONENTS


def date_texts(dates: pl.Series) -> pl.Series:
    """The dates as text. Rows share few days, so each day is written once."""
    first, last = dates.min(), dates.max()
    if not isinstance(first, date) or not isinstance(last, date):
        return dates.cast(pl.String)
    if (last - first).days > len(dates):
        return dates.cast(pl.String)
    texts: pl.Series = pl.date_range(first, last, eager=True).cast(pl.String)
    return texts.gather(dates.to_physical() - (first - _FIRST_DAY).days).alias(dates.name)


def _action() -> pl.Expr:
    """By evidence or stage while the dispute is open; a dispute that ended is accepted or closed."""
    outcome = pl.col("outcome")
    ended = pl.when(outcome == Stage.ACCEPTED).then(pl.lit(str(Action.ACCEPT)))
    names = {str(stage): str(action) for stage, action in ACTIONS.items()}
    is_open = pl.col("stage").replace_strict(names, return_dtype=pl.String)
    asked = pl.coalesce(selectors.by_name(EVIDENCE_ACTION, require_all=False), is_open)
    return pl.when(outcome.is_null()).then(asked).otherwise(ended.otherwise(pl.lit("close")))


def _amount(minor: str, currency: str, exponents: Collection[int]) -> pl.Expr:
    """Decimal text with the digits of the row's own currency; empty where that is not known."""
    amount = pl.col(minor)
    if len(exponents) == 1:
        (digits,) = exponents
        return pl.when(pl.col(currency).is_not_null()).then(_decimal(amount, digits)).fill_null("")
    exponent = pl.col(currency).replace_strict(EXPONENTS, default=None, return_dtype=pl.Int8)
    texts = [
        pl.when(exponent == digits).then(_decimal(amount, digits))
        for digits in sorted(exponents or ALL_EXPONENTS)
    ]
    return pl.coalesce(texts).fill_null("")


def _decimal(amount: pl.Expr, digits: int) -> pl.Expr:
    """Exact: a decimal of 38 digits, of which minor units need 19 and their shift four."""
    if digits == 0:
        return amount.cast(pl.String)
    return (amount.cast(pl.Decimal(38, digits)) / int(10**digits)).cast(pl.String)
