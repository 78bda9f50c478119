"""Which rows of a file need a comparison at all: those whose identity may occur twice.

Belongs here: the first look, by one hash of each row's identity, in 8 bytes a row. How rows with the
same identity compare is in `versions`.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cardops.contracts.judging.versions import row_outcomes
from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.profile import KindProfile, identities_as_they_are

OUTCOME: Final = pl.Enum(["accepted", "duplicate", "conflicting_duplicate"])
# Rows that are compared at once.
ROWS_AT_ONCE: Final = 1_000_000

Hashes = npt.NDArray[np.uint64]


def outcomes_of(
    workspace: Workspace, earlier: pl.LazyFrame | None, profile: KindProfile
) -> pl.DataFrame:
    """`row_number` and `outcome` of each valid row, by row number.

    A row whose identity occurs once, in a kind without earlier rows, is accepted. All others are
    compared, in portions of whole identities.
    """
    valid = workspace.scan("valid")
    if earlier is not None or profile.align_identities is not identities_as_they_are:
        return _typed(row_outcomes(valid, earlier, profile))
    numbers, hashes = _identities(workspace, profile)
    repeated = _repeated(hashes)
    outcomes = pl.DataFrame(
        {
            "row_number": numbers,
            "outcome": pl.repeat("accepted", len(numbers), dtype=OUTCOME, eager=True),
        }
    )
    if not repeated.size:
        return outcomes
    suspects = pl.DataFrame({"row_number": numbers, "hash": hashes}).filter(
        pl.col("hash").is_in(pl.Series(repeated).implode())
    )
    compared = [
        _typed(row_outcomes(valid.join(portion, on="row_number", how="semi"), None, profile))
        for portion in _portions(suspects)
    ]
    others = outcomes.join(suspects, on="row_number", how="anti")
    return pl.concat([others, *compared]).sort("row_number")


def _identities(workspace: Workspace, profile: KindProfile) -> tuple[pl.Series, Hashes]:
    numbers, hashes = [], []
    identity = pl.struct(profile.identity).hash(0).alias("hash")
    for part in workspace.chunks("valid", columns=("row_number", *profile.identity)):
        rows = part.select("row_number", identity)
        numbers.append(rows["row_number"])
        hashes.append(rows["hash"].to_numpy())
    return pl.concat(numbers), np.concatenate(hashes)


def _repeated(hashes: Hashes) -> Hashes:
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _portions(suspects: pl.DataFrame) -> list[pl.LazyFrame]:
    """Row numbers of the rows, those of one identity together."""
    count = -(-suspects.height // ROWS_AT_ONCE)
    return [
        suspects.lazy().filter(pl.col("hash") % count == portion).select("row_number")
        for portion in range(count)
    ]


def _typed(outcomes: pl.DataFrame) -> pl.DataFrame:
    return outcomes.with_columns(pl.col("outcome").cast(OUTCOME)).sort("row_number")
