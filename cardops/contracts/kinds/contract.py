"""How the columns of a kind are declared, and what a reader needs to know of them.

Belongs here: pandera fields over text, and the `Contract` of a file. Validation, quarantine reasons
and the tables of docs/file-formats.md come from these declarations. Cells are trimmed text, empty
ones null. What a kind's rows mean after they were judged is in its profile.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandera.polars as pa

from cardops.contracts.judging import checks as _checks
from cardops.rules.intake.arrivals import SUFFIXES
from cardops.rules.intake.files import ID_PATTERN, Kind, RowReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cardops.contracts.importers.importers import Importer

    # A whole file's bytes -> its rows. Raises what it likes: the file is refused with its message.
    Converter = Callable[[bytes], Iterable[Mapping[str, str | None]]]

assert _checks.COMPILED  # noqa: S101 - importing it registers the checks named below


@dataclass(frozen=True)
class Contract:
    """What a file of one kind looks like.

    `aliases`: other header names of a column, best first; camelCase is always accepted.
    `importers`: reports of processors that are read as files of this kind, chosen by header.
    `balances`: columns of money that may be below zero.
    `sides`: amount -> the column that says `credit` or `debit`; of others only credits are accepted.
    `converters`: extension of another format -> its rows in the contract's own names, as text.
    `version`: what was valid under it stays valid; raise it with a change that accepts less, see
    cardops.contracts.published.
    """

    kind: Kind
    model: type[pa.DataFrameModel]
    version: int = 1
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    importers: tuple[Importer, ...] = ()
    balances: tuple[str, ...] = ()
    sides: Mapping[str, str] = field(default_factory=dict)
    converters: Mapping[str, Converter] = field(default_factory=dict)

    @cached_property
    def formats(self) -> tuple[str, ...]:
        """Extensions of the formats in which files of the kind are read."""
        return (*SUFFIXES, *self.converters)

    @property
    def number_decimal(self) -> str:
        """The decimal sign of amounts in text."""
        return "."

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every column of the contract, in the model's order."""
        return tuple(self.model.to_schema().columns)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Columns without which a file is refused, and a row quarantined."""
        schema = self.model.to_schema()
        return tuple(name for name, column in schema.columns.items() if not column.nullable)

    @cached_property
    def amounts(self) -> frozenset[str]:
        """Columns that hold money, balances included."""
        return frozenset((*self.amount_currencies, *self.balances))

    @cached_property
    def amount_currencies(self) -> Mapping[str, str]:
        """Columns of amounts, which are positive -> the column with their currency."""
        schema = self.model.to_schema()
        return {
            name: check.statistics["currency"]
            for name, column in schema.columns.items()
            for check in column.checks
            if check.name == "is_amount"
        }

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Columns that hold ids."""
        return self._checked_by("is_id")

    @cached_property
    def times(self) -> Mapping[str, bool]:
        """Columns that hold instants -> whether a date without a time of day is accepted."""
        schema = self.model.to_schema()
        return {
            name: check.statistics["is_day_allowed"]
            for name, column in schema.columns.items()
            for check in column.checks
            if check.name == "is_instant"
        }

    @cached_property
    def past_times(self) -> tuple[str, ...]:
        """Times that cannot lie in the future; a reply-by date can."""
        schema = self.model.to_schema()
        return tuple(
            name
            for name in self.times
            if not (schema.columns[name].metadata or {}).get("may_be_ahead")
        )

    def names_of(self, column: str) -> tuple[frozenset[str], ...]:
        """Spellings of a column's names in a header, best first: its own, then its aliases."""
        names = (column, *self.aliases.get(column, ()))
        return tuple(frozenset({name, name.replace("_", "")}) for name in names)

    def _checked_by(self, check_name: str) -> tuple[str, ...]:
        columns = self.model.to_schema().columns.items()
        return tuple(
            name
            for name, column in columns
            if any(check.name == check_name for check in column.checks)
        )


def id_field(description: str, *, required: bool) -> Any:
    """An id: `[A-Za-z0-9_.:-]{1,64}`."""
    return _field(description, required=required, is_id={"pattern": ID_PATTERN})


def amount_field(description: str, *, required: bool, currency: str = "currency") -> Any:
    """Decimal text in the unit of the currency in the named column."""
    return _field(description, required=required, is_amount={"currency": currency})


def currency_field(description: str, *, required: bool) -> Any:
    """An upper-case ISO 4217 code."""
    return _field(description, required=required, is_currency={"standard": "ISO 4217"})


def instant_field(description: str, *, required: bool) -> Any:
    """ISO 8601 with a time of day."""
    return _field(description, required=required, is_instant={"is_day_allowed": False})


def date_field(description: str, *, required: bool, may_be_ahead: bool = False) -> Any:
    """A date, or an instant whose date as written counts. `may_be_ahead`: it may lie ahead."""
    metadata = {"may_be_ahead": may_be_ahead}
    return _field(
        description, required=required, is_instant={"is_day_allowed": True}, metadata=metadata
    )


def status_field(description: str, values: tuple[str, ...], *, required: bool) -> Any:
    """One of a closed set of words."""
    metadata = {"reason": str(RowReason.INVALID_STATUS)}
    return _field(description, required=required, isin=list(values), metadata=metadata)


def text_field(
    description: str, *, required: bool = False, json_form: dict[str, Any] | None = None
) -> Any:
    """Any text. `json_form`: the JSON Schema of what may stand there in JSON instead of text."""
    metadata = {"json_form": json_form} if json_form else {}
    return _field(description, required=required, metadata=metadata)


def _field(description: str, *, required: bool, **checks: Any) -> Any:
    return pa.Field(nullable=not required, description=description, **checks)
