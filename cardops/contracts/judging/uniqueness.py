"""Which rows of a file need a comparison at all: those whose identity may occur twice.

Belongs here: the first look, by one hash of each row's identity, in 8 bytes a row. How rows with the
same identity compare is in `versions`.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cardops.contracts.judging.known_rows import Layout
from cardops.contracts.judging.sequences import ONE_FILE, JudgedFiles
from cardops.contracts.judging.versions import known_row_outcomes, row_outcomes
from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.profile import KindProfile, identities_as_they_are

OUTCOME: Final = pl.Enum(["accepted", "duplicate", "conflicting_duplicate"])
# Rows that are compared at once.
ROWS_AT_ONCE: Final = 1_000_000

Hashes = npt.NDArray[np.uint64]


def outcomes_of(
    workspace: Workspace, profile: KindProfile, files: JudgedFiles = ONE_FILE
) -> pl.DataFrame:
    """`row_number` and `outcome` of each valid row, by row number, as if no file was judged before.

    A row whose identity occurs once is accepted. All others are compared, in portions of whole
    identities.
    """
    valid = workspace.scan("valid")
    is_aligned = profile.align_identities is not identities_as_they_are
    if is_aligned or profile.sequence is not None:
        return typed_outcomes(row_outcomes(valid, None, profile, files=files))
    repeated = _repeated(workspace, profile)
    numbers = pl.concat(part["row_number"] for part in workspace.chunks("valid", ["row_number"]))
    accepted = pl.repeat("accepted", len(numbers), dtype=OUTCOME, eager=True)
    outcomes = pl.DataFrame({"row_number": numbers, "outcome": accepted})
    if not repeated.size:
        return outcomes
    values = pl.Series(repeated).implode()
    suspects = pl.concat(
        part.filter(pl.col("hash").is_in(values)) for part in _identities(workspace, profile)
    )
    compared = [
        typed_outcomes(
            row_outcomes(valid.join(portion, on="row_number", how="semi"), None, profile)
        )
        for portion in _portions(suspects)
    ]
    others = outcomes.join(suspects, on="row_number", how="anti")
    return pl.concat([others, *compared]).sort("row_number")


def compared_with_known(
    outcomes: pl.DataFrame,
    workspace: Workspace,
    known: pl.DataFrame,
    layout: Layout,
    files: JudgedFiles = ONE_FILE,
) -> pl.DataFrame:
    """The outcomes with those rows judged anew that share an id with known rows.

    `known`: entries of files judged before. Rows that can repeat each other share the id under
    which they are found, so all others stay as they are.
    """
    if known.is_empty():
        return outcomes
    shared = pl.col(layout.profile.lookup).is_in(known["lookup_id"].unique().implode())
    rows = workspace.scan("valid").filter(shared)
    judged = typed_outcomes(known_row_outcomes(rows, layout.decoded(known), layout, files))
    others = outcomes.join(judged, on="row_number", how="anti")
    return pl.concat([others, judged]).sort("row_number")


def _identities(workspace: Workspace, profile: KindProfile) -> Iterator[pl.DataFrame]:
    identity = pl.struct(profile.identity).hash(0).alias("hash")
    for part in workspace.chunks("valid", ["row_number", *profile.identity]):
        yield part.select("row_number", identity)


def _repeated(workspace: Workspace, profile: KindProfile) -> Hashes:
    """Hashes of more than one row. They are sorted in place: one number a row is held, no more."""
    hashes, filled = np.empty(workspace.count("valid"), dtype=np.uint64), 0
    for part in _identities(workspace, profile):
        hashes[filled : filled + part.height] = part["hash"].to_numpy()
        filled += part.height
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _portions(suspects: pl.DataFrame) -> list[pl.LazyFrame]:
    """Row numbers of the rows, those of one identity together."""
    count = -(-suspects.height // ROWS_AT_ONCE)
    return [
        suspects.lazy().filter(pl.col("hash") % count == portion).select("row_number")
        for portion in range(count)
    ]


def typed_outcomes(outcomes: pl.DataFrame) -> pl.DataFrame:
    """The outcomes by row number, with their type."""
    return outcomes.with_columns(pl.col("outcome").cast(OUTCOME)).sort("row_number")
