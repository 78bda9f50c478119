"""Snapshots of rings are replaced in one step, whatever ends the process that writes them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typing_extensions import override

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.adapters.warehouse.ring_snapshots import LakeRingSnapshots
from cardops.contracts.lake.fraud_rings import LINKS, MEMBERS, RINGS, SNAPSHOTS, TABLES
from tests.factories.fraud_rings import a_ring, a_snapshot
from tests.fakes.lake import FakeLake

DAY = date(2026, 11, 20)
FIRST = a_snapshot([a_ring("first")], {("first", "device-1"): ["u1", "u2"]})
SECOND = a_snapshot([a_ring("second")], {("second", "email-1"): ["u1", "u2", "u3"]})


class KilledError(Exception):
    """The process ended here."""


@dataclass
class EndingLake(FakeLake):
    """Ends at the n-th change from now."""

    steps_left: int = 1_000

    def _count(self) -> None:
        self.steps_left -= 1
        if self.steps_left < 0:
            raise KilledError

    @override
    def write(self, table: str, business_date: date, name: str, frame: pl.DataFrame) -> str:
        self._count()
        return super().write(table, business_date, name, frame)

    @override
    def delete(self, table: str, business_date: date, name: str) -> None:
        self._count()
        super().delete(table, business_date, name)


def found(tables: Mapping[str, pl.DataFrame] | None) -> tuple[list[str], list[str], int] | None:
    if tables is None:
        return None
    return (
        tables[RINGS]["ring_id"].to_list(),
        tables[MEMBERS]["user_id"].to_list(),
        tables[LINKS].height,
    )


@pytest.fixture(params=["fake", "parquet"])
def snapshots(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LakeRingSnapshots]:
    if request.param == "fake":
        yield LakeRingSnapshots(FakeLake())
    else:
        lake = ParquetLake(DirectoryStore(tmp_path / "lake"), tmp_path / "mirror")
        yield LakeRingSnapshots(lake)


def test_snapshot_is_read_as_it_was_written(snapshots: LakeRingSnapshots) -> None:
    assert snapshots.read(DAY) is None

    snapshot_id = snapshots.write(DAY, FIRST)
    tables = snapshots.read(DAY)

    assert tables
    assert set(tables) == set(TABLES)
    for table, frame in tables.items():
        assert frame.drop("snapshot_id").equals(FIRST[table]), table
    assert tables[SNAPSHOTS]["snapshot_id"].to_list() == [snapshot_id]
    assert list(snapshots.dates()) == [DAY]


def test_new_snapshot_replaces_the_former_one(snapshots: LakeRingSnapshots) -> None:
    snapshots.write(DAY, FIRST)
    snapshots.write(DAY, SECOND)

    assert found(snapshots.read(DAY)) == (["second"], ["u1", "u2", "u3"], 3)


def test_same_content_in_other_pieces_of_memory_has_the_same_id(
    snapshots: LakeRingSnapshots,
) -> None:
    pieces = {
        table: pl.concat([frame.head(1), frame.tail(-1)], rechunk=False)
        for table, frame in FIRST.items()
    }

    assert snapshots.write(DAY, pieces) == snapshots.write(DAY, FIRST)


def test_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    snapshots = LakeRingSnapshots(
        ParquetLake(DirectoryStore(tmp_path / "lake"), tmp_path / "mirror")
    )

    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}

    snapshots.write(DAY, FIRST)
    before = files()
    snapshots.write(DAY, SECOND)
    snapshots.write(DAY, FIRST)

    assert files() == before
    assert len(before) == len(TABLES)


@pytest.mark.parametrize("steps", range(12))
def test_writer_that_ends_early_leaves_a_whole_snapshot(steps: int) -> None:
    lake = EndingLake()
    snapshots = LakeRingSnapshots(lake)
    snapshots.write(DAY, FIRST)
    lake.steps_left = steps
    with suppress(KilledError):
        snapshots.write(DAY, SECOND)
    lake.steps_left = 1_000

    is_there = steps >= len(TABLES)
    assert found(snapshots.read(DAY)) == (
        (["second"], ["u1", "u2", "u3"], 3) if is_there else (["first"], ["u1", "u2"], 2)
    )
    snapshots.write(DAY, SECOND)
    assert found(snapshots.read(DAY)) == (["second"], ["u1", "u2", "u3"], 3)


def test_first_writer_that_ends_early_leaves_nothing() -> None:
    lake = EndingLake(steps_left=3)
    with pytest.raises(KilledError):
        LakeRingSnapshots(lake).write(DAY, FIRST)

    assert LakeRingSnapshots(lake).read(DAY) is None
    assert list(LakeRingSnapshots(lake).dates()) == []
