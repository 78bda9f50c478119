"""Snapshots of fraud rings in the lake: several tables, replaced in one step.

Belongs here: writing and reading a snapshot. What is in it is decided in cardops.services.fraud.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from hashlib import sha256
from io import BytesIO
from typing import Final

import polars as pl
from typing_extensions import override

from cardops.contracts.lake.fraud_rings import RING_TABLES, SNAPSHOTS, TABLES
from cardops.contracts.lake.tables import SNAPSHOT
from cardops.ports import Lake, RingSnapshots

# Hexadecimal digits: two contents of one date must not meet.
_DIGITS: Final = 16


class LakeRingSnapshots(RingSnapshots):
    """One file a table and date, named after the snapshot; the row that names it is written last."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    @override
    def write(self, business_date: date, tables: Mapping[str, pl.DataFrame]) -> str:
        snapshot_id = _id_of(tables)
        for table in RING_TABLES:
            frame = _complete(table, tables[table], snapshot_id)
            self._lake.write(table, business_date, snapshot_id, frame)
        row = _complete(SNAPSHOTS, tables[SNAPSHOTS], snapshot_id)
        # Only now do readers see any of it.
        self._lake.write(SNAPSHOTS, business_date, SNAPSHOT, row)
        for table in RING_TABLES:
            # Also those of writers that ended before they could delete anything.
            for replaced in set(self._lake.names(table, business_date)) - {snapshot_id}:
                self._lake.delete(table, business_date, replaced)
        return snapshot_id

    @override
    def read(self, business_date: date) -> Mapping[str, pl.DataFrame] | None:
        snapshot_id = self._current_id(business_date)
        if snapshot_id is None:
            return None
        return {table: self._rows(table, business_date, snapshot_id) for table in TABLES}

    @override
    def dates(self) -> Sequence[date]:
        return self._lake.business_dates(SNAPSHOTS)

    def _current_id(self, business_date: date) -> str | None:
        rows = self._lake.scan(SNAPSHOTS, [business_date])
        if rows is None:
            return None
        (snapshot_id,) = rows.select("snapshot_id").collect()["snapshot_id"]
        return str(snapshot_id)

    def _rows(self, table: str, business_date: date, snapshot_id: str) -> pl.DataFrame:
        rows = self._lake.scan(table, [business_date])
        if rows is None:
            return pl.DataFrame(schema=TABLES[table])
        own = rows.filter(pl.col("snapshot_id") == snapshot_id).collect()
        return own.select(pl.col(name).cast(kind) for name, kind in TABLES[table].items())


def _complete(table: str, frame: pl.DataFrame, snapshot_id: str) -> pl.DataFrame:
    """The frame as the lake's table has it."""
    named = frame.with_columns(snapshot_id=pl.lit(snapshot_id))
    return named.select(pl.col(name).cast(kind) for name, kind in TABLES[table].items())


def _id_of(tables: Mapping[str, pl.DataFrame]) -> str:
    """The same content has the same id, so a repeated run replaces each file by itself.

    Made of text: the bytes of a frame in memory also have padding, which differs between processes.
    """
    digest = sha256()
    for table in sorted(TABLES):
        content = BytesIO()
        tables[table].write_ndjson(content)
        digest.update(content.getvalue())
    return digest.hexdigest()[:_DIGITS]
