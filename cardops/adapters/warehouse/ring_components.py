"""Connected components by scipy, over integers that stand for the nodes.

Belongs here: from columns that name nodes to the number of each row's component. scipy is imported when
it is needed: half a second that a report does not want to wait for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Codes = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Numbered:
    """For each row the number of its value, from 0; for each number the first row that has it."""

    codes: Codes
    first_rows: Rows


def numbered(rows: pl.DataFrame, columns: Sequence[str]) -> Numbered:
    """Numbers for the different values that these columns have together; they follow no order."""
    values = rows.select(columns)
    found = _numbered(values.hash_rows().to_numpy())
    if values.equals(values[found.first_rows][found.codes]):
        return found
    # Two values have one hash, as far as it was compared.
    _, first_rows, codes = np.unique(
        values.select(pl.struct(pl.all()).rank("dense")).to_series().to_numpy(),
        return_index=True,
        return_inverse=True,
    )
    return Numbered(codes.astype(np.int32), first_rows)


def _numbered(hashes: Hashes) -> Numbered:
    rows, is_first = ordered(hashes)
    codes = np.empty(len(rows), np.int32)
    codes[rows] = np.cumsum(is_first) - 1
    return Numbered(codes, rows[is_first])


def ordered(hashes: Hashes) -> tuple[Rows, Marks]:
    """Rows with like hashes beside each other, in their order; and which of them begin another hash.

    Each row's number takes the place of the last bits of its hash, so that sorting has nothing else to
    move. Two hashes that agree in the bits before are taken for one.
    """
    bits = len(hashes).bit_length()
    low = np.uint64((1 << bits) - 1)
    mixed = np.sort(hashes & ~low | np.arange(len(hashes), dtype=np.uint64))
    return (mixed & low).astype(np.int64), differs_from_former(mixed >> np.uint64(bits))


def differs_from_former(values: Hashes) -> Marks:
    """Which values differ from the one before; the first one does."""
    differs = np.ones(len(values), np.bool_)
    differs[1:] = values[1:] != values[:-1]
    return differs


def components(edges: pl.DataFrame, left: Sequence[str], right: Sequence[str]) -> pl.Series:
    """For each row its component, in the graph whose edges tie `left` columns to `right` columns.

    Numbers begin at 0 and follow no order.
    """
    lefts = numbered(edges, left).codes
    labels = labelled(lefts, numbered(edges, right).codes)
    return pl.Series("component", labels[lefts], pl.Int32)


def labelled(lefts: Codes, rights: Codes) -> Codes:
    """The component of each left node. Each side's codes begin at 0."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - see above
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    if not len(lefts):
        return lefts
    left_count = int(lefts.max()) + 1
    node_count = left_count + int(rights.max()) + 1
    ties = np.ones(len(lefts), dtype=np.int8)
    graph = coo_array((ties, (lefts, rights + left_count)), shape=(node_count, node_count))
    _, labels = connected_components(graph, directed=False)
    found: Codes = labels[:left_count]
    return found
