"""The checks a contract may use, and a pandera model compiled to polars expressions of them.

Belongs here: one expression per row reason, for whole columns at once. pandera's own backend runs
the same checks and is the oracle in tests. A check that has no compiled form is refused, never
skipped.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

import pandera.polars as pa
import polars as pl
from pandera import extensions
from pandera.api.polars.types import PolarsData

from cardops.contracts.columns.money import amount_failures, is_among
from cardops.contracts.columns.parsed import parsed_instant, parsed_minor
from cardops.contracts.columns.times import is_invalid_time, is_plain_time
from cardops.rules.currencies import EXPONENTS
from cardops.rules.intake.files import ID_PATTERN, RowReason

Failures = dict[RowReason, pl.Expr]
# (column, the check's own arguments, the column's metadata) -> where it fails, by reason.
Compile = Callable[[str, Mapping[str, Any], Mapping[str, Any]], Failures]


def id_failures(column: str) -> Failures:
    """`.` and `..` are not ids: as paths they would be folders."""
    text = pl.col(column)
    is_id = text.str.contains(f"^{ID_PATTERN}$") & ~text.is_in([".", ".."])
    return {RowReason.INVALID_ID: (~is_id).fill_null(value=False)}


def currency_failures(column: str) -> Failures:
    """Upper-case ISO 4217 codes that have a minor unit."""
    known = pl.col(column).is_in(list(EXPONENTS))
    return {RowReason.UNKNOWN_CURRENCY: (~known).fill_null(value=False)}


def time_failures(column: str, *, is_day_allowed: bool) -> Failures:
    """ISO 8601 with time of day; a date alone is valid in a date column."""
    failed = is_invalid_time(column, is_day_allowed=is_day_allowed)
    return {RowReason.INVALID_TIMESTAMP: failed}


def _one_of(column: str, values: Mapping[str, Any], metadata: Mapping[str, Any]) -> Failures:
    allowed = pl.col(column).is_in(list(values["allowed_values"]))
    return {RowReason(metadata["reason"]): (~allowed).fill_null(value=False)}


COMPILED: Final[Mapping[str, Compile]] = {
    "is_id": lambda column, _values, _metadata: id_failures(column),
    "is_currency": lambda column, _values, _metadata: currency_failures(column),
    "is_amount": lambda column, values, _metadata: amount_failures(column, values["currency"]),
    "is_instant": lambda column, values, _metadata: time_failures(
        column, is_day_allowed=values["is_day_allowed"]
    ),
    "isin": _one_of,
}


def _passes(data: PolarsData, failures: Failures) -> pl.LazyFrame:
    return data.lazyframe.select(~pl.any_horizontal(*failures.values()))


@extensions.register_check_method(  # type: ignore[untyped-decorator]  # pandera's
    statistics=["pattern"]
)
def is_id(data: PolarsData, *, pattern: str) -> pl.LazyFrame:
    """An id; `pattern` documents the schema."""
    return _passes(data, id_failures(data.key))


@extensions.register_check_method(  # type: ignore[untyped-decorator]  # pandera's
    statistics=["standard"]
)
def is_currency(data: PolarsData, *, standard: str) -> pl.LazyFrame:
    """A currency; `standard` documents the schema."""
    return _passes(data, currency_failures(data.key))


@extensions.register_check_method(  # type: ignore[untyped-decorator]  # pandera's
    statistics=["currency"]
)
def is_amount(data: PolarsData, *, currency: str) -> pl.LazyFrame:
    """A positive decimal text with at most the currency's fraction digits."""
    return _passes(data, amount_failures(data.key, currency))


@extensions.register_check_method(  # type: ignore[untyped-decorator]  # pandera's
    statistics=["is_day_allowed"]
)
def is_instant(data: PolarsData, *, is_day_allowed: bool) -> pl.LazyFrame:
    """ISO 8601; a date alone is valid in a date column."""
    return _passes(data, time_failures(data.key, is_day_allowed=is_day_allowed))


class UnknownCheckError(TypeError):
    """A contract uses a check that the compiled contract would not enforce."""

    def __init__(self, column: str, check: str | None) -> None:
        super().__init__(
            f"column {column} uses the check {check}, which has no compiled form: add it to "
            "cardops.contracts.judging.checks.COMPILED, with its reason"
        )


@cache
def compiled(model: type[pa.DataFrameModel]) -> Mapping[RowReason, pl.Expr]:
    """Reason -> where any column fails for it; over a frame whose columns are all text."""
    failures: dict[RowReason, list[pl.Expr]] = {}
    for column, schema in model.to_schema().columns.items():
        for reason, failed in _column_failures(column, schema).items():
            failures.setdefault(reason, []).append(failed)
    return {reason: pl.any_horizontal(*found) for reason, found in failures.items()}


def plain_rows(model: type[pa.DataFrameModel], latest: datetime) -> pl.Expr:
    """Where every column surely passes its checks and no time is naive or after `latest`.

    A cheap test over rows with `parsed_columns`; those that fail it may be valid, and go through
    `compiled`.
    """
    columns = model.to_schema().columns.items()
    return pl.all_horizontal(_is_plain(name, schema, latest) for name, schema in columns)


def _is_plain(column: str, schema: pa.Column, latest: datetime) -> pl.Expr:
    limit = None if (schema.metadata or {}).get("may_be_ahead") else latest
    passes = [_passes_plainly(column, check, schema, limit) for check in schema.checks]
    present = pl.all_horizontal(pl.col(column).is_not_null(), *passes).fill_null(value=False)
    return present | pl.col(column).is_null() if schema.nullable else present


def _passes_plainly(
    column: str, check: pa.Check, schema: pa.Column, latest: datetime | None
) -> pl.Expr:
    name, values = str(check.name), check.statistics or {}
    if name == "is_amount":
        return parsed_minor(column).is_not_null()
    if name == "is_instant":
        parsed, is_day_allowed = parsed_instant(column), values["is_day_allowed"]
        return is_plain_time(column, parsed, latest, is_day_allowed=is_day_allowed)
    if name == "is_currency":
        return pl.col(column).map_batches(_is_currency, pl.Boolean(), is_elementwise=True)
    return ~pl.any_horizontal(*COMPILED[name](column, values, schema.metadata or {}).values())


def _is_currency(codes: pl.Series) -> pl.Series:
    return is_among(codes, EXPONENTS)


def _column_failures(column: str, schema: pa.Column) -> Failures:
    failures: Failures = {}
    if not schema.nullable:
        failures[RowReason.MISSING_FIELD] = pl.col(column).is_null()
    for check in schema.checks:
        if check.name not in COMPILED:
            raise UnknownCheckError(column, check.name)
        failures |= COMPILED[check.name](column, check.statistics, schema.metadata or {})
    return failures
