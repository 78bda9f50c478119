"""A sender's file read through a mapping: which columns are read, and its texts as the contract's.

Belongs here: columns and cells. Money and times are in the modules beside this one. What cannot be read
for certain becomes a text that the contract refuses, so that the row is quarantined with its reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import polars as pl

from cardops.contracts.kinds.contract import Contract
from cardops.contracts.reading.csv_rows import Syntax
from cardops.contracts.reading.mapped_amounts import contract_amount, side_of_direction, two_sides
from cardops.contracts.reading.mapped_times import contract_time, is_time_zone
from cardops.rules.mappings.amounts import UNREADABLE, Sign
from cardops.rules.mappings.mapping import (
    DIRECTION,
    FileMapping,
    MappingRefusedError,
    credit_role,
    debit_role,
    normalised_name,
    theirs_by_role,
)

_FRAME: Final = ("row_number", "raw", "framing")


@dataclass(frozen=True)
class MappedLayout:
    """The columns to read of a sender's file, beside the contract's: see `Layout`.

    Helping columns: both sides of an amount, the direction, and what the file has of a column that
    is a constant.
    """

    contract: Contract
    mapping: FileMapping
    currency: str | None = None

    @property
    def kind(self) -> str:
        """The kind of the file's rows."""
        return self.contract.kind

    @cached_property
    def theirs(self) -> dict[str, str]:
        """Column to fill -> the sender's name for it."""
        return theirs_by_role(self.mapping)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Named ones first, so that no alias of another column takes their place."""
        filled = {*self.mapping.debit_credit, *self.mapping.constants, *self.theirs}
        others = [column for column in self.contract.columns if column not in filled]
        constants = [_constant_role(column) for column in self.mapping.constants]
        return (*self.theirs, *others, *constants)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Every column that the mapping names, and the contract's that it does not fill."""
        needed = [column for column in self.contract.required if column in self.columns]
        return tuple(dict.fromkeys([*self.theirs, *needed]))

    @cached_property
    def amounts(self) -> frozenset[str]:
        """Columns that hold money, balances and each side of an amount included."""
        sides = (role(column) for column in self.mapping.debit_credit for role in _SIDES)
        return self.contract.amounts | frozenset(sides)

    @property
    def number_decimal(self) -> str:
        """The sender's decimal sign."""
        return self.mapping.amounts.decimal

    @property
    def syntax(self) -> Syntax:
        """How its CSV is laid out."""
        mapping = self.mapping
        return Syntax(mapping.delimiter, mapping.has_header, mapping.skip_rows)

    def names_of(self, column: str) -> tuple[frozenset[str], ...]:
        """The sender's name; of a column that the mapping does not name, the contract's names."""
        if column in self.theirs:
            return (frozenset({normalised_name(self.theirs[column])}),)
        if not self.mapping.has_header:
            return ()
        own = column.removeprefix(_constant_role(""))
        return tuple(spellings - self._used for spellings in self.contract.names_of(own))

    @cached_property
    def _used(self) -> frozenset[str]:
        """Names that serve nothing but what the mapping says."""
        return frozenset(map(normalised_name, [*self.theirs.values(), *self.mapping.ignored]))

    def described(self, column: str) -> str:
        """A column for a person, by the name that the sender should have given it."""
        theirs = self.theirs.get(column)
        return column if theirs is None else f"{theirs!r} (read as {column})"

    def mapped(self, chunks: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Chunks of the columns above -> chunks of the contract's columns."""
        return (self._mapped(chunk) for chunk in chunks)

    def _mapped(self, chunk: pl.DataFrame) -> pl.DataFrame:
        words = [
            pl.col(column).replace(dict(words)) for column, words in self.mapping.values.items()
        ]
        constants = [self._constant(column) for column in self.mapping.constants]
        named = chunk.with_columns(*words, *constants)
        currency = self._currency()
        signed = replace(self.mapping.amounts, sign=Sign.SIGNED)
        balances = [
            contract_amount(pl.col(column), signed, currency, pl.lit(value=False)).alias(column)
            for column in self.contract.balances
        ]
        others = (
            balances
            + [
                # An amount in a currency of its own, else in the row's.
                self._amount(column, pl.coalesce(own, currency)).alias(column)
                for column, own in self.contract.amount_currencies.items()
            ]
            + [
                contract_time(column, self.mapping, is_day_allowed=is_day_allowed).alias(column)
                for column, is_day_allowed in self.contract.times.items()
            ]
        )
        sides = [each for column in self.contract.sides for each in self._sides(column)]
        return (
            named.with_columns(others).with_columns(sides).select(*_FRAME, *self.contract.columns)
        )

    def _sides(self, column: str) -> list[pl.Expr]:
        """The amount without its sign, and the side that follows from it; a row's own side stays."""
        mapping = self.mapping
        is_signed = mapping.amounts.sign in {Sign.SIGNED, Sign.NEGATIVE}
        if not (is_signed or mapping.direction or column in mapping.debit_credit):
            return []
        amount, side = pl.col(column), pl.col(self.contract.sides[column])
        found = (
            pl.when(amount.str.starts_with("-")).then(pl.lit("debit")).otherwise(pl.lit("credit"))
        )
        return [
            pl.when(side.is_null())
            .then(amount.str.strip_prefix("-"))
            .otherwise(amount)
            .alias(column),
            pl.coalesce(side, pl.when(amount.is_not_null()).then(found)).alias(
                self.contract.sides[column]
            ),
        ]

    def _currency(self) -> pl.Expr:
        code = pl.col("currency")
        return code if self.currency is None else code.fill_null(self.currency)

    def _constant(self, column: str) -> pl.Expr:
        """The constant; refused where the row itself says otherwise, in a column that is checked."""
        value = self.mapping.constants[column]
        own = pl.col(_constant_role(column))
        checks = self.contract.model.to_schema().columns[column].checks
        differs = (own != value).fill_null(value=False) & pl.lit(bool(checks))
        return (
            pl.when(differs).then(pl.lit(UNREADABLE + value)).otherwise(pl.lit(value)).alias(column)
        )

    def _amount(self, column: str, currency: pl.Expr) -> pl.Expr:
        mapping, text, is_debit = self.mapping, pl.col(column), pl.lit(value=False)
        if column in mapping.debit_credit:
            text, is_debit = two_sides(pl.col(credit_role(column)), pl.col(debit_role(column)))
        elif mapping.direction:
            is_debit = side_of_direction(pl.col(DIRECTION), mapping.direction)
        return contract_amount(text, mapping.amounts, currency, is_debit)


_SIDES: Final = (credit_role, debit_role)


def _constant_role(column: str) -> str:
    return f"own {column}"


def check_mapping(mapping: FileMapping, contract: Contract) -> None:
    """Raises MappingRefusedError where the mapping does not fit the kind's contract."""
    ours = [*mapping.columns.values(), *mapping.constants, *mapping.values, *mapping.debit_credit]
    for column in ours:
        if column not in contract.columns:
            names = ", ".join(contract.columns)
            raise MappingRefusedError(f"{contract.kind} have no column {column!r}, but {names}")
    for column in mapping.debit_credit:
        if column not in contract.amount_currencies:
            raise MappingRefusedError(f"{column} has no debit and credit, because it is no amount")
    for column in (*mapping.values, *mapping.constants):
        if column in contract.amounts or column in contract.times:
            raise MappingRefusedError(
                f"{column} is money or a time, which no constant or word can stand for"
            )
    if mapping.time_zone and not is_time_zone(mapping.time_zone):
        raise MappingRefusedError(
            f"{mapping.time_zone!r} is no time zone; use a name such as Europe/Berlin"
        )


def for_released_rows(mapping: FileMapping) -> FileMapping:
    """The mapping of a file made of quarantined rows: their own text, in UTF-8, header first."""
    return replace(mapping, encoding="utf-8", has_header=True, skip_rows=0, sheet=None)


def named(layout: MappedLayout, columns: Sequence[str]) -> str:
    """Columns for a person."""
    return " and ".join(layout.described(column) for column in columns)
