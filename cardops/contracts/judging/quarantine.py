"""Quarantined rows as they are stored: where from, why, and the record with card numbers masked.

Belongs here: the frame and its two file formats. Where they are stored is in
cardops.services.intake.quarantine.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from cardops.rules.card_numbers import (
    BIN_DIGITS,
    CANDIDATE,
    LAST_DIGITS,
    MIN_DIGITS,
    is_card_number,
    mask_card_numbers,
)
from cardops.rules.intake.files import ID_PATTERN

COLUMNS: Final = ("source_file", "row_number", "reasons", "raw")
# A longer record was no row of ours; its beginning shows where it came from.
MAX_RAW_CHARACTERS: Final = 16_384


def quarantine_frame(rows: pl.LazyFrame, source_file: str) -> pl.LazyFrame:
    """`source_file`, `row_number`, `reasons`, `raw`, in the order of the rows given.

    Card numbers in `raw` are masked; the row's `ids` are not, see `_kept`.
    """
    raw = pl.col("raw").str.head(MAX_RAW_CHARACTERS)
    safe = pl.struct(raw, "ids", "waits_for").map_batches(
        _masked, return_dtype=pl.String(), is_elementwise=True
    )
    return rows.select(
        pl.lit(source_file).alias("source_file"), "row_number", "reasons", safe.alias("raw")
    )


def quarantine_table(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The same for people: all reasons of a row in one cell."""
    return rows.with_columns(pl.col("reasons").list.join(" "))


def ids_like_card_numbers(columns: Sequence[str]) -> pl.Expr:
    """`ids`: the ids of a row with so many digits that they could be masked in its record.

    A waiting row is ingested from its record later: a masked id would never match again. A record
    that could not be parsed has no ids.
    """
    is_parsed = pl.col("framing").is_null()
    kept = [
        pl.when(
            is_parsed & cell.str.contains(CANDIDATE) & cell.str.contains(f"^{ID_PATTERN}$")
        ).then(cell)
        for cell in map(pl.col, columns)
    ]
    return pl.concat_list(kept).list.drop_nulls().alias("ids")


def mask_card_number_in_raw(chunk: pl.DataFrame) -> pl.DataFrame:
    """The chunk with the text of `card_number` truncated in `raw`, a valid number or not."""
    if "card_number" not in chunk.columns:
        return chunk
    digits = pl.col("card_number").str.replace_all(r"\D", "").str.len_chars()
    full = chunk.filter(digits >= MIN_DIGITS).select("row_number", "raw", "card_number")
    if full.is_empty():
        return chunk
    raws = [raw.replace(number, _truncated(number)) for _, raw, number in full.iter_rows()]
    safe = full.select("row_number", pl.Series("safe", raws, dtype=pl.String))
    joined = chunk.join(safe, on="row_number", how="left", maintain_order="left")
    return joined.with_columns(raw=pl.coalesce("safe", "raw")).drop("safe")


def _masked(rows: pl.Series) -> pl.Series:
    """Only texts with a run of digits are looked at one by one."""
    texts = rows.struct.field("raw")
    suspects = texts.str.contains(CANDIDATE).arg_true()
    if suspects.is_empty():
        return texts
    safe = [mask_card_numbers(row["raw"], _kept(row)) for row in rows.gather(suspects)]
    return texts.scatter(suspects, pl.Series(safe, dtype=pl.String))


def _kept(row: Mapping[str, Any]) -> list[str]:
    """Ids that stay whole: all of a waiting row, else those that are not card numbers themselves."""
    if row["waits_for"] is not None:
        return list(row["ids"])
    return [name for name in row["ids"] if not (name.isdecimal() and is_card_number(name))]


def _truncated(number: str) -> str:
    digits = "".join(character for character in number if character.isdecimal())
    hidden = "*" * (len(digits) - BIN_DIGITS - LAST_DIGITS)
    return digits[:BIN_DIGITS] + hidden + digits[-LAST_DIGITS:]
