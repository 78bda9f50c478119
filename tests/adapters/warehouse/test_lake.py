"""One contract for every lake: the fake, a directory, and S3 (simulated by moto)."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.ports import Lake
from tests.fakes.lake import FakeLake

FRIDAY = date(2026, 11, 20)
SATURDAY = date(2026, 11, 21)


@pytest.fixture(params=["fake", "directory", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "fake":
        return FakeLake()
    url = tmp_path.as_uri() if request.param == "directory" else request.getfixturevalue("s3_url")
    return ParquetLake(open_store(url), tmp_path / "mirror")


def amounts(lake: Lake, *business_dates: date) -> list[tuple[date, int]]:
    frame = lake.scan("deposits", business_dates or None)
    assert frame is not None
    return sorted(frame.select("business_date", "amount_minor").collect().rows())


def frame_of(*values: int) -> pl.DataFrame:
    return pl.DataFrame({"amount_minor": values}, schema={"amount_minor": pl.Int64})


def test_rows_are_scanned_with_their_business_date(lake: Lake) -> None:
    lake.write("deposits", FRIDAY, "000000000001", frame_of(1, 2))
    lake.write("deposits", SATURDAY, "000000000002", frame_of(3))
    lake.write("orders", SATURDAY, "000000000003", frame_of(9))

    assert amounts(lake) == [(FRIDAY, 1), (FRIDAY, 2), (SATURDAY, 3)]
    assert amounts(lake, SATURDAY) == [(SATURDAY, 3)]


def test_rewritten_file_replaces_itself_and_no_other(lake: Lake) -> None:
    lake.write("deposits", FRIDAY, "a", frame_of(1))
    lake.write("deposits", FRIDAY, "b", frame_of(2))
    lake.write("deposits", FRIDAY, "a", frame_of(5))

    assert amounts(lake) == [(FRIDAY, 2), (FRIDAY, 5)]


def test_table_without_files_scans_to_none(lake: Lake) -> None:
    lake.write("deposits", FRIDAY, "a", frame_of(1))

    assert lake.scan("orders") is None
    assert lake.scan("deposits", [SATURDAY]) is None
    assert lake.scan("deposits", []) is None


def test_empty_frame_is_written_and_scans_to_no_rows(lake: Lake) -> None:
    lake.write("deposits", FRIDAY, "a", frame_of())

    assert amounts(lake) == []


def test_parquet_file_built_elsewhere_is_stored(lake: Lake, tmp_path: Path) -> None:
    frame_of(7).write_parquet(tmp_path / "built.parquet")

    uri = lake.write_file("deposits", FRIDAY, "a", tmp_path / "built.parquet")

    assert amounts(lake) == [(FRIDAY, 7)]
    assert uri.endswith("deposits/business_date=2026-11-20/a.parquet")


def test_local_path_has_current_files_and_nothing_stale(lake: Lake) -> None:
    lake.write("deposits", FRIDAY, "a", frame_of(1))
    lake.local_path("deposits")
    lake.write("deposits", FRIDAY, "a", frame_of(4))
    lake.write("deposits", SATURDAY, "b", frame_of(5))

    folder = lake.local_path("deposits")

    found = {str(path.relative_to(folder)): path for path in folder.rglob("*.parquet")}
    assert sorted(found) == [
        "business_date=2026-11-20/a.parquet",
        "business_date=2026-11-21/b.parquet",
    ]
    assert [pl.read_parquet(path).item() for _, path in sorted(found.items())] == [4, 5]


def test_local_path_of_a_table_without_files_is_empty(lake: Lake) -> None:
    assert list(lake.local_path("orders").rglob("*.parquet")) == []


def test_mirror_deletes_files_that_left_the_bucket(s3_url: str, tmp_path: Path) -> None:
    store = open_store(s3_url)
    lake = ParquetLake(store, tmp_path)
    lake.write("deposits", FRIDAY, "a", frame_of(1))
    lake.local_path("deposits")
    store.delete("deposits/business_date=2026-11-20/a.parquet")

    assert list(lake.local_path("deposits").rglob("*.parquet")) == []


def test_rows_of_one_file_are_replaced_in_a_file_of_several(lake: Lake, tmp_path: Path) -> None:
    own = tmp_path / "own.parquet"

    def replace_rows(intake_id: int, *values: int) -> None:
        frame_of(*values).with_columns(intake_id=pl.lit(intake_id, pl.Int64)).write_parquet(own)
        lake.replace_rows("deposits", FRIDAY, "000000000001", intake_id, own)

    replace_rows(1, 10, 11)
    replace_rows(2, 20)
    replace_rows(1, 12)
    assert amounts(lake) == [(FRIDAY, 12), (FRIDAY, 20)]
    replace_rows(2)
    assert amounts(lake) == [(FRIDAY, 12)]


def test_deleted_file_is_gone_and_may_be_missing(lake: Lake) -> None:
    lake.write("deposits", FRIDAY, "000000000001", frame_of(1))
    lake.write("deposits", FRIDAY, "000000000002", frame_of(2))

    lake.delete("deposits", FRIDAY, "000000000001")
    lake.delete("deposits", FRIDAY, "000000000001")

    assert amounts(lake) == [(FRIDAY, 2)]


@pytest.mark.parametrize("newer", [FRIDAY, SATURDAY])
def test_files_from_before_a_column_are_read_with_nulls(lake: Lake, newer: date) -> None:
    older = SATURDAY if newer == FRIDAY else FRIDAY
    lake.write("deposits", older, "a", frame_of(1))
    lake.write("deposits", newer, "b", frame_of(2).with_columns(currency=pl.lit("USD")))

    frame = lake.scan("deposits")

    assert frame is not None
    found = frame.sort("amount_minor").select("amount_minor", "currency").collect()
    assert found.rows() == [(1, None), (2, "USD")]
