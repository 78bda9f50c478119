"""Each row against its contract: all its reasons, its flags, and its cells as values.

Belongs here: what one row says by itself. What other rows, files and tables say of it is in
`versions` and `references`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import polars as pl

from cardops.contracts.columns.times import is_ahead, is_naive
from cardops.contracts.judging.compiled import compiled
from cardops.contracts.kinds.contract import Contract
from cardops.rules.intake.files import RowFlag, RowReason

REASONS: Final = pl.List(pl.String)


def judged(
    chunk: pl.DataFrame,
    contract: Contract,
    now: datetime,
    *,
    also: Mapping[RowReason, pl.Expr] | None = None,
    flags: Mapping[RowFlag, pl.Expr] | None = None,
) -> pl.DataFrame:
    """The chunk with `reasons` (empty: valid) and `flags`, in the order of their enums.

    A row that could not be framed has that reason alone: its cells mean nothing.
    `also`: reasons that need more than the row itself.
    """
    failures = row_failures(contract, now)
    for reason, failed in (also or {}).items():
        failures[reason] = failures.get(reason, pl.lit(value=False)) | failed
    framed = pl.col("framing").is_null()
    reasons = {reason: framed & failed for reason, failed in failures.items()}
    for reason in (RowReason.MALFORMED_ROW, RowReason.BAD_ENCODING):
        reasons[reason] = (pl.col("framing") == str(reason)).fill_null(value=False)
    said = {RowFlag.NAIVE_TIMESTAMP: _is_any_naive(contract), **(flags or {})}
    marked = chunk.lazy().with_columns(
        *(failed.alias(_mark(reason)) for reason, failed in reasons.items()),
        *(
            (framed & found.fill_null(value=False)).alias(_mark(flag))
            for flag, found in said.items()
        ),
    )
    return _listed(_listed(marked.collect(), RowReason, "reasons"), RowFlag, "flags")


def row_failures(contract: Contract, now: datetime) -> dict[RowReason, pl.Expr]:
    """What the contract's checks and the present say, reason by reason."""
    ahead = [
        is_ahead(column, now, is_day_allowed=contract.times[column])
        for column in contract.never_ahead
    ]
    return {**compiled(contract.model), RowReason.FUTURE_TIMESTAMP: pl.any_horizontal(*ahead)}


def _is_any_naive(contract: Contract) -> pl.Expr:
    return pl.any_horizontal(*(is_naive(column) for column in contract.times))


def _mark(code: str) -> str:
    return f"is {code}"


def _listed(frame: pl.DataFrame, codes: type[RowReason] | type[RowFlag], name: str) -> pl.DataFrame:
    """Marks to one list; most rows have none, and lists are built for the others only."""
    marks = [code for code in codes if _mark(code) in frame.columns]
    any_mark = pl.any_horizontal(*(pl.col(_mark(code)) for code in marks))
    found = frame.filter(any_mark).select(
        "row_number",
        pl.concat_list(
            pl.when(pl.col(_mark(code))).then(pl.lit(str(code))).otherwise(None) for code in marks
        )
        .list.drop_nulls()
        .alias(name),
    )
    listed = frame.drop(_mark(code) for code in marks)
    if found.is_empty():
        return listed.with_columns(pl.lit([], REASONS).alias(name))
    joined = listed.join(found, on="row_number", how="left", maintain_order="left")
    return joined.with_columns(pl.col(name).fill_null(pl.lit([], REASONS)))
