"""Rows against each other and against those accepted before: new, repeated, or in conflict.

Belongs here: what is judged across rows and files, for kinds that no ledger judges.
"""

from collections.abc import Sequence
from typing import Final

import polars as pl

from cardops.contracts.judging.known_rows import Layout
from cardops.contracts.kinds.profile import KindProfile

# Two 64-bit hashes of one value are compared, so that text of whole files need not stay in memory.
_SEEDS: Final = (0, 7_919)


def row_outcomes(
    valid: pl.LazyFrame,
    earlier: pl.LazyFrame | None,
    profile: KindProfile,
    content: Sequence[str] | None = None,
) -> pl.DataFrame:
    """`row_number` and `outcome` of each valid row: accepted, duplicate, conflicting_duplicate.

    `earlier`: rows of files judged before this one; `intake_id` is their place in that order. The
    first row accepted under an identity fixes the immutable columns; a later one with other content
    is a new version. `content`: columns whose values are a row's content.
    """
    compared = content or [name for name in profile.row_columns if name not in profile.not_content]
    valid, earlier = profile.align_identities(valid, earlier)
    rows = _fingerprints(valid, profile, compared, is_earlier=False).collect()
    if earlier is not None:
        keys = rows.lazy().select("id 0", "id 1").unique()
        known = _fingerprints(earlier, profile, compared, is_earlier=True)
        rows = pl.concat([known.join(keys, on=["id 0", "id 1"], how="semi").collect(), rows])
    ordered = rows.sort("is_new", "intake_id", "row_number", maintain_order=True)
    differs = pl.any_horizontal(
        *(
            pl.col(name) != pl.col(name).first().over("id 0", "id 1")
            for name in _hash_names("immutable")
        )
    )
    marked = ordered.with_columns(is_conflict=differs)
    consistent = marked.filter(~pl.col("is_conflict")).with_columns(
        is_first=pl.struct(*_hash_names("id"), *_hash_names("content")).is_first_distinct()
    )
    first_or_repeated = pl.when("is_first").then(pl.lit("accepted")).otherwise(pl.lit("duplicate"))
    return pl.concat(
        [
            _new_rows(marked.filter("is_conflict"), pl.lit("conflicting_duplicate")),
            _new_rows(consistent, first_or_repeated),
        ]
    )


def known_row_outcomes(valid: pl.LazyFrame, earlier: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """The same with `earlier` from the index of known rows: `Layout.decoded`."""
    rows = layout.with_digest(valid.collect()).lazy()
    return row_outcomes(rows, earlier.lazy(), layout.profile, layout.content)


def _new_rows(rows: pl.DataFrame, outcome: pl.Expr) -> pl.DataFrame:
    return rows.filter("is_new").select("row_number", outcome.alias("outcome"))


def _fingerprints(
    rows: pl.LazyFrame, profile: KindProfile, content: Sequence[str], *, is_earlier: bool
) -> pl.LazyFrame:
    intake_id = pl.col("intake_id") if is_earlier else pl.lit(0, pl.Int64)
    return rows.select(
        pl.lit(not is_earlier).alias("is_new"),
        intake_id.alias("intake_id"),
        "row_number",
        *_hashes("id", profile.identity),
        # An identity without immutable columns never conflicts with itself.
        *_hashes("immutable", profile.immutable or profile.identity),
        *_hashes("content", content),
    )


def _hashes(name: str, columns: Sequence[str]) -> list[pl.Expr]:
    value = pl.struct(columns)
    hashes = zip(_hash_names(name), _SEEDS, strict=True)
    return [value.hash(seed).alias(hash_name) for hash_name, seed in hashes]


def _hash_names(name: str) -> list[str]:
    return [f"{name} {index}" for index in range(len(_SEEDS))]
