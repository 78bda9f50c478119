"""Rows of one file against each other and against those accepted before: new, again, or at odds.

Belongs here: what is judged across rows. Deposits are judged by their ledger instead.
"""

from typing import Final

import polars as pl

from cardops.contracts.columns.values import lake_columns
from cardops.contracts.kinds.contract import Contract
from cardops.rules.chargebacks.routing import MIXED
from cardops.rules.intake.files import Kind

_DISPUTE: Final = ("case_number", "stage", "action_sequence", "transaction_id")
# Two 64-bit hashes of one value are compared: strings of whole files need not stay in memory.
_SEEDS: Final = (0, 7_919)


def outcomes(valid: pl.LazyFrame, earlier: pl.LazyFrame | None, contract: Contract) -> pl.DataFrame:
    """`row_number` and `outcome` of each valid row: accepted, duplicate, conflicting_duplicate.

    `earlier`: the lake's rows of files taken in before this one. The first row accepted under an
    identity fixes what is immutable; a later one with other content is a new version.
    """
    if contract.kind is Kind.CHARGEBACKS:
        valid, earlier = _one_network(valid, earlier)
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


def _one_network(
    valid: pl.LazyFrame, earlier: pl.LazyFrame | None
) -> tuple[pl.LazyFrame, pl.LazyFrame | None]:
    """A dispute once taken in as `mixed` is that one whatever network is told later: sent once."""
    frames = [valid] if earlier is None else [valid, earlier]
    mixed = pl.concat(frame.filter(pl.col("network") == MIXED).select(_DISPUTE) for frame in frames)
    if mixed.head(1).collect().is_empty():
        return valid, earlier
    told = mixed.join(valid.select(_DISPUTE), on=_DISPUTE, how="semi").unique().collect()
    return _as_mixed(valid, told), earlier if earlier is None else _as_mixed(earlier, told)


def _as_mixed(rows: pl.LazyFrame, told: pl.DataFrame) -> pl.LazyFrame:
    marked = rows.join(
        told.lazy().with_columns(is_mixed=True), on=_DISPUTE, how="left", maintain_order="left"
    )
    network = pl.when("is_mixed").then(pl.lit(MIXED)).otherwise("network")
    return marked.with_columns(network=network).drop("is_mixed")


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
