"""The accepted rows of a file as one Parquet file for the lake.

Belongs here: which of the valid rows are accepted, and how they are written. Where the file is put is
in cardops.services.intake.
"""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow.parquet as pq

from cardops.contracts.columns.types import DATE, INSTANT, INTEGER, TEXT
from cardops.contracts.judging.workspace import Workspace
from cardops.contracts.kinds.profile import ADDED_FLAG, KindProfile, Terms

NO_TERMS: Final = Terms()
# Columns of whole numbers, which are written as differences.
_COUNTED: Final = frozenset({INTEGER, INSTANT, DATE})
# A text column has a dictionary where each value stands so often, on average.
_REPEATED_BY: Final = 4


def write_lake_rows(
    workspace: Workspace,
    profile: KindProfile,
    outcomes: pl.DataFrame,
    origin: Mapping[str, pl.Expr],
    terms: Terms = NO_TERMS,
) -> Path:
    """The accepted rows as a Parquet file. `origin`: columns that no row of a file has.

    Part by part, so that memory does not grow with the file.
    """
    ordered = outcomes if outcomes["row_number"].is_sorted() else outcomes.sort("row_number")
    path = workspace.folder / "lake.parquet"
    contract = {"kind": profile.kind, "version": str(profile.contract.version)}
    schema = (
        profile.lake_table.to_frame()
        .to_arrow()
        .schema.with_metadata(
            {f"cardops.contract.{name}": value for name, value in contract.items()}
        )
    )
    parts = (
        profile.complete(_accepted(part, ordered), terms).select(
            *(
                origin.get(name, pl.col(name)).cast(column_type).alias(name)
                for name, column_type in profile.lake_table.items()
            )
        )
        for part in workspace.chunks("valid")
    )
    first = next(parts)
    with pq.ParquetWriter(path, schema, compression="zstd", **_encodings(first)) as writer:
        for rows in chain([first], parts):
            if not rows.is_empty():
                writer.write_table(rows.to_arrow().cast(schema))
    return path


def _encodings(rows: pl.DataFrame) -> dict[str, Any]:
    """What is cheapest to write for columns like these, and small.

    A dictionary and the least and greatest value cost time and find nothing where most texts differ.
    """
    counted = [name for name, column_type in rows.schema.items() if column_type in _COUNTED]
    texts = [name for name, column_type in rows.schema.items() if column_type == TEXT]
    distinct = rows.select(pl.col(texts).approx_n_unique()).row(0, named=True) if texts else {}
    repeated = [name for name in texts if distinct[name] * _REPEATED_BY <= rows.height]
    return {
        "use_dictionary": repeated,
        "write_statistics": [*counted, *repeated],
        "column_encoding": dict.fromkeys(counted, "DELTA_BINARY_PACKED"),
    }


def _accepted(part: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """The accepted rows of a part of the valid ones, with what the ledger says of each.

    A column that the outcomes have too is theirs, where it is not null.
    """
    judged = [name for name in outcomes.columns if name != "row_number" and name in part.columns]
    own = part.rename({name: f"own {name}" for name in judged})
    accepted = _joined(own, outcomes).with_columns(
        pl.coalesce(name, f"own {name}").alias(name) for name in judged
    )
    if ADDED_FLAG not in accepted.columns:
        return accepted
    added = pl.concat_list("flags", ADDED_FLAG)
    flags = pl.when(pl.col(ADDED_FLAG).is_not_null()).then(added).otherwise("flags")
    return accepted.with_columns(flags=flags)


def _joined(part: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    if part.is_empty():
        return part.join(outcomes.clear().drop("outcome"), on="row_number")
    numbers = outcomes["row_number"]
    first = numbers.search_sorted(part["row_number"][0], side="left")
    last = numbers.search_sorted(part["row_number"][-1], side="right")
    accepted = outcomes[first:last].filter(pl.col("outcome") == "accepted").drop("outcome")
    if accepted.height == part.height and accepted["row_number"].equals(part["row_number"]):
        return part.hstack(accepted.drop("row_number"))
    return part.join(accepted, on="row_number", maintain_order="left")
