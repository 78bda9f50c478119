"""Connected components by scipy, over integers that stand for the nodes.

Belongs here: from columns that name nodes to the number of each row's component. scipy is imported when
it is needed: half a second that a report does not want to wait for.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Codes = npt.NDArray[np.int32]


def components(edges: pl.DataFrame, left: Sequence[str], right: Sequence[str]) -> pl.Series:
    """For each row its component, in the graph whose edges tie `left` columns to `right` columns.

    Numbers begin at 0 and follow no order.
    """
    if edges.is_empty():
        return pl.Series("component", [], pl.Int32)
    lefts, rights = _codes(edges, left), _codes(edges, right)
    labels = labelled(lefts, rights)
    return pl.Series("component", labels[lefts], pl.Int32)


def labelled(lefts: Codes, rights: Codes) -> Codes:
    """The component of each left node. Each side's codes begin at 0."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - see above
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    left_count = int(lefts.max()) + 1
    node_count = left_count + int(rights.max()) + 1
    ties = np.ones(len(lefts), dtype=np.int8)
    graph = coo_array((ties, (lefts, rights + left_count)), shape=(node_count, node_count))
    _, labels = connected_components(graph, directed=False)
    found: Codes = labels[:left_count]
    return found


def _codes(edges: pl.DataFrame, columns: Sequence[str]) -> Codes:
    """Integers from 0 for the different values of these columns, none of which is null."""
    codes: Codes = (
        edges.select(pl.struct(columns).rank("dense").cast(pl.Int32) - 1).to_series().to_numpy()
    )
    return codes
