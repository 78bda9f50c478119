"""A pandera model compiled to polars expressions: one per row reason, for whole columns at once.

Belongs here: the compiler. A check it does not know is refused, never skipped.
"""

from collections.abc import Mapping
from functools import cache

import pandera.polars as pa
import polars as pl

from cardops.contracts.judging.checks import COMPILED, Failures
from cardops.rules.intake.files import RowReason


class UnknownCheckError(TypeError):
    """A contract uses a check that would not be enforced on the bulk path."""

    def __init__(self, column: str, check: str | None) -> None:
        super().__init__(
            f"column {column} is checked with {check}, which the bulk path cannot run: add it to "
            "cardops.contracts.judging.checks.COMPILED, with its reason"
        )


@cache
def compiled(model: type[pa.DataFrameModel]) -> Mapping[RowReason, pl.Expr]:
    """Reason -> the rows it holds for, any column; over a frame with all columns as text."""
    failures: dict[RowReason, list[pl.Expr]] = {}
    for column, schema in model.to_schema().columns.items():
        for reason, failed in _column_failures(column, schema).items():
            failures.setdefault(reason, []).append(failed)
    return {reason: pl.any_horizontal(*found) for reason, found in failures.items()}


def _column_failures(column: str, schema: pa.Column) -> Failures:
    failures: Failures = {}
    if not schema.nullable:
        failures[RowReason.MISSING_FIELD] = pl.col(column).is_null()
    for check in schema.checks:
        if check.name not in COMPILED:
            raise UnknownCheckError(column, check.name)
        failures |= COMPILED[check.name](column, check.statistics, schema.metadata or {})
    return failures
