"""Rows of one file against each other and against those accepted before: new, again, or at odds.

Belongs here: what is judged across rows. Deposits are judged by their ledger instead.
"""

from typing import Final

import polars as pl

from cardops.contracts.contract import Contract
from cardops.contracts.values import lake_columns

# Two 64-bit hashes of one value are compared: strings of whole files need not stay in memory.
_SEEDS: Final = (0, 7_919)


def outcomes(valid: pl.LazyFrame, earlier: pl.LazyFrame | None, contract: Contract) -> pl.DataFrame:
    """`row_number` and `outcome` of each valid row: accepted, duplicate, conflicting_duplicate.

    `earlier`: the lake's rows of files taken in before this one. The first row accepted under an
    identity fixes what is immutable; a later one with other content is a new version.
    """
    rows = _fingerprints(valid, contract, is_earlier=False)
    if earlier is not None:
        keys = rows.lazy().select("id 0", "id 1").unique()
        known = _lazy_fingerprints(earlier, contract, is_earlier=True)
        rows = pl.concat([known.join(keys, on=["id 0", "id 1"], how="semi").collect(), rows])
    ordered = rows.sort("is_new", "intake_id", "row_number", maintain_order=True)
    at_odds = pl.any_horizontal(
        *(pl.col(name) != pl.col(name).first().over("id 0", "id 1") for name in _names("fixed"))
    )
    marked = ordered.with_columns(at_odds=at_odds)
    agreeing = marked.filter(~pl.col("at_odds")).with_columns(
        is_first=pl.struct(*_names("id"), *_names("content")).is_first_distinct()
    )
    return pl.concat(
        [
            _named(marked.filter("at_odds"), pl.lit("conflicting_duplicate")),
            _named(
                agreeing,
                pl.when("is_first").then(pl.lit("accepted")).otherwise(pl.lit("duplicate")),
            ),
        ]
    )


def _named(rows: pl.DataFrame, outcome: pl.Expr) -> pl.DataFrame:
    return rows.filter("is_new").select("row_number", outcome.alias("outcome"))


def _fingerprints(rows: pl.LazyFrame, contract: Contract, *, is_earlier: bool) -> pl.DataFrame:
    return _lazy_fingerprints(rows, contract, is_earlier=is_earlier).collect()


def _lazy_fingerprints(rows: pl.LazyFrame, contract: Contract, *, is_earlier: bool) -> pl.LazyFrame:
    content = [name for name in lake_columns(contract.kind) if name not in contract.derived]
    intake_id = pl.col("intake_id") if is_earlier else pl.lit(0, pl.Int64)
    return rows.select(
        pl.lit(not is_earlier).alias("is_new"),
        intake_id.alias("intake_id"),
        "row_number",
        *_hashes("id", contract.identity),
        *_hashes("fixed", contract.immutable),
        *_hashes("content", content),
    )


def _hashes(name: str, columns: tuple[str, ...] | list[str]) -> list[pl.Expr]:
    value = pl.struct(columns)
    return [value.hash(seed).alias(f"{name} {place}") for place, seed in enumerate(_SEEDS)]


def _names(name: str) -> list[str]:
    return [f"{name} {place}" for place in range(len(_SEEDS))]
