"""Rows against each other and against those accepted before: new, repeated, or in conflict.

Belongs here: what is judged across rows and files, for kinds that no ledger judges.
"""

from collections.abc import Sequence

import polars as pl

from cardops.contracts.judging.fingerprints import hash_names, hashes
from cardops.contracts.judging.known_rows import Layout
from cardops.contracts.judging.sequences import ONE_FILE, JudgedFiles, sequence_outcomes
from cardops.contracts.kinds.profile import KindProfile


def row_outcomes(
    valid: pl.LazyFrame,
    earlier: pl.LazyFrame | None,
    profile: KindProfile,
    content: Sequence[str] | None = None,
    files: JudgedFiles = ONE_FILE,
) -> pl.DataFrame:
    """`row_number` and `outcome` of each valid row: accepted, duplicate, conflicting_duplicate.

    With `profile.sequence` also the numbers of accepted rows, null where that is the row's own.

    `earlier`: rows of files judged before this one; `intake_id` is their place in that order. The
    first row accepted under an identity fixes the immutable columns; a later one with other content
    is a new version. `content`: columns whose values are a row's content. `files`: those of `valid`.
    """
    compared = content or [name for name in profile.row_columns if name not in profile.not_content]
    valid, earlier = profile.align_identities(valid, earlier)
    if profile.sequence is not None:
        return sequence_outcomes(valid, earlier, profile, compared, files)
    rows = _fingerprints(valid, profile, compared, is_earlier=False).collect()
    if earlier is not None:
        keys = rows.lazy().select("id 0", "id 1").unique()
        known = _fingerprints(earlier, profile, compared, is_earlier=True)
        rows = pl.concat([known.join(keys, on=["id 0", "id 1"], how="semi").collect(), rows])
    ordered = rows.sort("is_new", "intake_id", "row_number", maintain_order=True)
    differs = pl.any_horizontal(
        *(
            pl.col(name) != pl.col(name).first().over("id 0", "id 1")
            for name in hash_names("immutable")
        )
    )
    marked = ordered.with_columns(is_conflict=differs)
    consistent = marked.filter(~pl.col("is_conflict")).with_columns(
        is_first=pl.struct(*hash_names("id"), *hash_names("content")).is_first_distinct()
    )
    first_or_repeated = pl.when("is_first").then(pl.lit("accepted")).otherwise(pl.lit("duplicate"))
    return pl.concat(
        [
            _new_rows(marked.filter("is_conflict"), pl.lit("conflicting_duplicate")),
            _new_rows(consistent, first_or_repeated),
        ]
    )


def known_row_outcomes(
    valid: pl.LazyFrame, earlier: pl.DataFrame, layout: Layout, files: JudgedFiles = ONE_FILE
) -> pl.DataFrame:
    """The same with `earlier` from the index of known rows: `Layout.decoded`."""
    rows = layout.with_digest(valid.collect()).lazy()
    return row_outcomes(rows, earlier.lazy(), layout.profile, layout.content, files)


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
        *hashes("id", profile.identity),
        # An identity without immutable columns never conflicts with itself.
        *hashes("immutable", profile.immutable or profile.identity),
        *hashes("content", content),
    )
