"""Records of one dispute in one report, of which only the latest is a step.

Belongs here: reports that list every movement of a dispute, where a later record replaces an earlier
one. How steps of several files follow each other is in `versions`.
"""

from typing import Final

import polars as pl

from cardops.contracts.judging.workspace import Workspace

# Valid rows that a later row of their file replaces: they are counted as duplicates.
SUPERSEDED: Final = "superseded"
_DISPUTE: Final = ("network", "case_number", "stage")


def keep_latest(workspace: Workspace) -> None:
    """Take from the valid rows those that a later one of the same dispute and stage replaces.

    Later by activity date, else by place in the file; of one date what opened a dispute is the first,
    wherever a report lists it. An invalid row replaces nothing.
    """
    is_after_opening = (pl.col("status") != "open").fill_null(value=True)
    latest = (
        workspace.scan("valid")
        .sort("activity_date", is_after_opening, "row_number", nulls_last=False)
        .select("row_number", is_latest=pl.int_range(pl.len()).reverse().over(_DISPUTE) == 0)
        .filter("is_latest")
        .select("row_number")
        .collect()
    )
    if latest.height == workspace.count("valid"):
        return
    for index, part in enumerate(workspace.chunks("valid")):
        kept = part.join(latest, on="row_number", how="semi", maintain_order="left")
        workspace.count_rows(SUPERSEDED, part.height - kept.height)
        workspace.replace_part("valid", index, kept)
