"""Rows of kinds whose rows follow one another: repeats, returns to an earlier state, conflicts.

Belongs here: which rows need a comparison at all, and in which order. A row that is alone under its
identity is accepted; how the others follow each other, the kind's own `RowSequence` judges.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from cardops.contracts.judging.fingerprints import hash_names, hashes
from cardops.contracts.kinds.profile import KindProfile, RowSequence

_ID: Final = hash_names("id")


@dataclass(frozen=True, slots=True)
class JudgedFiles:
    """The files whose rows are judged together: rows before each, and which were ingested before.

    `again` is asked only where rows of the files are known. `arrived_on`: their business date.
    """

    rows_before: tuple[int, ...] = (0,)
    arrived_on: date | None = None
    again: Callable[[], Sequence[bool]] = lambda: (False,)

    def file_of(self, row_number: pl.Expr) -> pl.Expr:
        """The place of the row's file among these."""
        before = pl.lit(pl.Series(self.rows_before, dtype=pl.Int64))
        return before.search_sorted(row_number, side="left").cast(pl.Int64) - 1


ONE_FILE: Final = JudgedFiles()


def sequence_outcomes(
    valid: pl.LazyFrame,
    earlier: pl.LazyFrame | None,
    profile: KindProfile,
    content: Sequence[str],
    files: JudgedFiles,
) -> pl.DataFrame:
    """See `versions.row_outcomes`, of a profile with a sequence."""
    sequence = profile.sequence
    if sequence is None:
        raise TypeError(f"rows of {profile.kind} have no sequence")
    ids = valid.select("row_number", *hashes("id", profile.identity)).collect()
    known = None if earlier is None else _compared(earlier, profile, content, sequence).collect()
    several = ids.filter(pl.struct(_ID).is_duplicated()).select(_ID).unique()
    if known is not None:
        several = pl.concat([several, known.select(_ID).unique()]).unique()
    wanted = ids.join(several, on=_ID, how="semi")
    alone = ids.join(several, on=_ID, how="anti").select(
        "row_number",
        pl.lit("accepted").alias("outcome"),
        *_nothing_added(sequence),
    )
    if wanted.is_empty():
        return alone
    own = valid.join(wanted.lazy().select("row_number"), on="row_number", how="semi")
    rows = _compared(own, profile, content, sequence).collect()
    return pl.concat([alone, _judged(rows, known, sequence, files)])


def _judged(
    rows: pl.DataFrame, known: pl.DataFrame | None, sequence: RowSequence, files: JudgedFiles
) -> pl.DataFrame:
    """The rows of identities that have several."""
    again = files.again() if known is not None or len(files.rows_before) > 1 else (False,)
    place = files.file_of(pl.col("row_number"))
    arrived_on = pl.lit(files.arrived_on, pl.Date())
    own = rows.with_columns(
        is_new=pl.lit(value=True), file=place, arrived_on=arrived_on
    ).with_columns(is_file_again=pl.lit(pl.Series(again, dtype=pl.Boolean)).gather(pl.col("file")))
    if known is not None:
        before = known.join(own.select(_ID).unique(), on=_ID, how="semi").with_columns(
            is_new=pl.lit(value=False),
            file=pl.col("intake_id"),
            arrived_on=pl.lit(None, pl.Date()),
            is_file_again=pl.lit(value=False),
        )
        own = pl.concat([before.select(own.columns), own])
    ordered = own.sort("is_new", "file", "row_number", maintain_order=True)
    marked = ordered.with_columns(is_conflict=_is_conflict(ordered))
    conflicts = marked.filter("is_new", "is_conflict").select(
        "row_number",
        pl.lit("conflicting_duplicate").alias("outcome"),
        *_nothing_added(sequence),
    )
    consistent = marked.filter(~pl.col("is_conflict")).with_columns(
        id=pl.struct(_ID).rank("dense").cast(pl.Int64)
    )
    judged = sequence.judge(consistent.sort("id", maintain_order=True))
    return pl.concat([conflicts, judged.select(conflicts.columns)])


def _nothing_added(sequence: RowSequence) -> list[pl.Expr]:
    return [pl.lit(None, dtype).alias(name) for name, dtype in sequence.added.items()]


def _is_conflict(rows: pl.DataFrame) -> pl.Expr:
    """Where an immutable value differs from the first that the identity had; none says nothing."""
    names = [name for name in rows.columns if name.startswith("immutable ")]
    firsts = (pl.col(name).drop_nulls().first().over(_ID) for name in names)
    differs = [
        (pl.col(name) != first).fill_null(value=False)
        for name, first in zip(names, firsts, strict=True)
    ]
    return pl.any_horizontal(differs) if differs else pl.lit(value=False)


def _compared(
    rows: pl.LazyFrame, profile: KindProfile, content: Sequence[str], sequence: RowSequence
) -> pl.LazyFrame:
    """What is compared of the rows; text of whole files need not stay in memory."""
    state = [name for name in content if name != sequence.dated_by]
    immutable = [
        pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash()).alias(f"immutable {name}")
        for name in profile.immutable
    ]
    is_known = "intake_id" in rows.collect_schema().names()
    return rows.select(
        *(["intake_id"] if is_known else []),
        "row_number",
        *hashes("id", profile.identity),
        *immutable,
        *hashes("state", state),
        *sequence.columns,
    )
