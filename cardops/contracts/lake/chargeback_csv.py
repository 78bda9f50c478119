"""The bytes of a chargeback file, written from whole columns.

Belongs here: which rows are in a file, their order and their text. Slots, columns and names are in
cardops.rules.chargebacks.files.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from cardops.rules.chargebacks.files import (
    COLUMNS,
    FORMULA_STARTS,
    TEXT_COLUMNS,
    SplitMode,
    slot_ranges,
)
from cardops.rules.currencies import EXPONENTS

_AMOUNTS: Final = {
    "transaction_amount": ("transaction_amount_minor", "transaction_currency"),
    "dispute_amount": ("dispute_amount_minor", "dispute_currency"),
}
_FORMULA: Final = f"^[{''.join(FORMULA_STARTS).replace('-', '')}-]"


@dataclass(frozen=True, slots=True)
class WrittenBody:
    """A chargeback file on this machine's disk, and what was counted beside it."""

    path: Path
    row_count: int
    totals_minor: dict[str, int]
    neutralised_count: int
    sha256: str


def rows_of_slot(batch: pl.LazyFrame, slot: str, mode: SplitMode) -> pl.LazyFrame:
    """The batch's rows that go into this slot's file, sorted as they are in it.

    `batch` has the columns of the lake's chargebacks.
    """
    if mode is SplitMode.BY_NETWORK:
        return _sorted(batch.filter(pl.col("network") == slot))
    row_count = batch.select(pl.len()).collect().item()
    offset, length = slot_ranges(row_count)[slot]
    return _sorted(batch).slice(offset, length)


def write_body(rows: pl.LazyFrame, target: Path, *, neutralise: bool = True) -> WrittenBody:
    """Write one slot's CSV; the same rows give the same bytes."""
    members = rows.collect()
    texts = members.lazy().select(_cells(neutralise=neutralise))
    texts.sink_csv(target, quote_style="always", line_terminator="\r\n")
    totals = members.group_by("dispute_currency").agg(pl.col("dispute_amount_minor").sum())
    runs = pl.sum_horizontal(_is_formula(name).sum() for name in TEXT_COLUMNS)
    return WrittenBody(
        path=target,
        row_count=members.height,
        totals_minor=dict(totals.iter_rows()),
        neutralised_count=int(members.select(runs).item()) if neutralise else 0,
        sha256=_sha256(target),
    )


def _sorted(batch: pl.LazyFrame) -> pl.LazyFrame:
    first = ("case_number", "stage", "action_sequence")
    plain = {cell.meta.output_name(): cell for cell in _cells(neutralise=False)}
    rest = [plain[name] for name in COLUMNS if name not in first]
    return batch.sort([*map(pl.col, first), *rest])


def _cells(*, neutralise: bool) -> list[pl.Expr]:
    return [_cell(name, neutralise=neutralise).alias(name) for name in COLUMNS]


def _cell(name: str, *, neutralise: bool) -> pl.Expr:
    if name in _AMOUNTS:
        return _amount(*_AMOUNTS[name])
    text = pl.col(name).cast(pl.String).fill_null("")
    if neutralise and name in TEXT_COLUMNS:
        return pl.when(_is_formula(name)).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)
    return text


def _is_formula(name: str) -> pl.Expr:
    return pl.col(name).str.contains(_FORMULA).fill_null(value=False)


def _amount(minor: str, currency: str) -> pl.Expr:
    exponent = pl.col(currency).replace_strict(EXPONENTS, default=None, return_dtype=pl.Int64)
    amount = pl.col(minor)
    digits = amount.abs().cast(pl.String).str.pad_start(exponent + 1, "0")
    whole, fraction = digits.str.head(-exponent), digits.str.tail(exponent)
    text = (
        pl.when(exponent == 0).then(digits).otherwise(pl.concat_str(whole, pl.lit("."), fraction))
    )
    sign = pl.when(amount < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(sign, text).fill_null("")


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
