"""A file that was judged before, judged again after later files were.

Belongs here: what the later files change. Rows that it accepted then stay accepted, with the numbers
that they have; others may be valid by now, such as one whose timestamp was in the future.
"""

from dataclasses import replace
from typing import Final

import polars as pl

from cardops.contracts.judging.known_rows import Layout
from cardops.contracts.judging.sequences import JudgedFiles
from cardops.contracts.judging.uniqueness import compared_with_known, typed_outcomes
from cardops.contracts.judging.versions import known_row_outcomes
from cardops.contracts.judging.workspace import Workspace
from cardops.ports import EarlierRows

# What a later file said already is a repeat, wherever in its sequence.
_SENT_AGAIN: Final = JudgedFiles(again=lambda: (True,))


def after_later_files(
    outcomes: pl.DataFrame,
    workspace: Workspace,
    known: EarlierRows,
    layout: Layout,
    files: JudgedFiles,
) -> pl.DataFrame:
    """The outcomes of a repeat: rows that a later file accepted are duplicates, numbers are given once.

    `outcomes`: as if there were no later file.
    """
    if known.later_rows is None or known.own_rows is None or known.later_rows.is_empty():
        return outcomes
    later = known.later_rows
    compared = compared_with_known(outcomes, workspace, later, layout, _SENT_AGAIN)
    own = known.own_rows.select("row_number")
    accepted = outcomes.filter(pl.col("outcome") == "accepted").join(
        own, on="row_number", how="anti"
    )
    repeated = compared.filter(pl.col("outcome") == "duplicate").join(
        accepted, on="row_number", how="semi"
    )
    found = _replaced(outcomes, repeated)
    if layout.profile.sequence is None:
        return found
    # Steps of the later files have numbers too.
    numbered = _numbered(found, workspace, known, layout, files)
    return _replaced(found, numbered)  # guard: numbered-after-later


def _numbered(
    outcomes: pl.DataFrame,
    workspace: Workspace,
    known: EarlierRows,
    layout: Layout,
    files: JudgedFiles,
) -> pl.DataFrame:
    """Outcomes of the rows that were accepted after the later files, judged after all that is known.

    Of those accepted at an earlier repeat the number alone tells: it is not the one that the file by
    itself would give. They keep it.
    """
    profile = layout.profile
    if profile.sequence is None or known.own_rows is None or known.later_rows is None:
        raise TypeError(f"rows of {profile.kind} are not numbered after later ones")
    number = profile.sequence.numbered_by
    ids = known.later_rows["lookup_id"].unique().implode()
    valid = workspace.scan("valid").filter(pl.col(profile.lookup).is_in(ids)).collect()
    recorded = layout.decoded(known.own_rows).select("row_number", pl.col(number).alias("recorded"))
    is_after = pl.col("recorded") != pl.coalesce(number, f"{number} of row")
    late = (
        outcomes.filter(pl.col("outcome") == "accepted")
        .join(valid.select("row_number", pl.col(number).name.suffix(" of row")), on="row_number")
        .join(recorded, on="row_number", how="left")
        .filter(is_after.fill_null(value=True))
        .select("row_number", "recorded")
    )
    rows = valid.join(late, on="row_number", how="semi")
    if rows.is_empty():
        return outcomes.clear()
    own = known.own_rows.join(late, on="row_number", how="anti")
    history = pl.concat(
        entries.select(known.rows.columns) for entries in (known.rows, own, known.later_rows)
    )
    once = replace(files, again=lambda: (False,))
    judged = known_row_outcomes(rows.lazy(), layout.decoded(history), layout, once)
    is_own = pl.col("recorded").is_not_null()
    return (
        typed_outcomes(judged)
        .join(late, on="row_number", how="left")
        .with_columns(
            pl.coalesce("recorded", number).alias(number),
            outcome=pl.when(is_own).then(pl.lit("accepted")).otherwise(pl.col("outcome").cast(str)),
        )
        .with_columns(pl.col("outcome").cast(outcomes["outcome"].dtype))
        .select(outcomes.columns)
    )


def _replaced(outcomes: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """The outcomes with these instead of those of the same rows."""
    rest = outcomes.join(others, on="row_number", how="anti")
    return pl.concat([rest, others]).sort("row_number")
