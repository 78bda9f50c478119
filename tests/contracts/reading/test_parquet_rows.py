"""Parquet framing: whatever a file's columns are, its rows come as text or it is refused."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cardops.contracts.kinds.deposits import DEPOSITS
from cardops.contracts.reading.parquet_rows import ParquetRows
from cardops.contracts.reading.source import FileRefusedError

NAMES = ["user_id", "amount", "deposit_id", "timestamp"]
VALUES: list[Any] = [["u"], ["1.00"], ["d"], ["2026-01-02T03:04:05Z"]]


def rows(table: pa.Table) -> list[dict[str, Any]]:
    content = io.BytesIO()
    pq.write_table(table, content)
    content.seek(0)
    chunks = ParquetRows("a.parquet", content, DEPOSITS.contract).chunks()
    return [row for chunk in chunks for row in chunk.to_dicts()]


@pytest.mark.parametrize("name", ["amount", "note"])
def test_repeated_parquet_column_refuses_the_file(name: str) -> None:
    names = [*(other for other in NAMES if other != name), name, name]
    values = [VALUES[NAMES.index(known)] if known in NAMES else ["x"] for known in names]

    with pytest.raises(FileRefusedError, match=f"has column {name} twice"):
        rows(pa.table(values, names=names))


@pytest.mark.parametrize("zone", ["UTC", "+05:30", "+00:00", "Europe/Berlin", "Nowhere/Known"])
@pytest.mark.parametrize(("unit", "ticks"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_instant_is_the_same_in_every_zone_and_unit(zone: str, unit: str, ticks: int) -> None:
    instants = pa.array([1_767_323_045 * ticks], pa.timestamp(unit, zone))

    (row,) = rows(pa.table([*VALUES[:3], instants], names=NAMES))

    assert row["timestamp"] == "2026-01-02T03:04:05.000000Z"


def test_instant_out_of_range_refuses_the_file() -> None:
    beyond = pa.array([2**62], pa.timestamp("ms"))

    with pytest.raises(FileRefusedError, match="damaged"):
        rows(pa.table([*VALUES[:3], beyond], names=NAMES))
