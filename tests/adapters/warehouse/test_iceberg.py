"""Iceberg tables have the rows of the Parquet they list, after every change and every killed process."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pyiceberg.catalog.sql import SqlCatalog
from typing_extensions import override

from cardops.adapters.object_stores.directory import DirectoryStore
from cardops.adapters.postgresql.iceberg_schema import iceberg_database_url
from cardops.adapters.warehouse import iceberg_tables
from cardops.adapters.warehouse.iceberg import IcebergRegister
from cardops.adapters.warehouse.iceberg_tables import KEPT_SNAPSHOTS, open_catalog
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.contracts.lake.tables import lake_tables
from tests.factories.marts import a_build
from tests.servers.warm_command import warm_context

pytestmark = pytest.mark.database
DAY = date(2026, 11, 20)
# A registration executes about 70 lines for an empty table of the lake, and 100 for a mart.
LINES = range(150, 350)


class OneTableRegister(IcebergRegister):
    """Leaves out the lake's other tables, which are empty in these tests."""

    @override
    def _lake_tables(self) -> Iterator[Any]:
        return (table for table in super()._lake_tables() if table[1] in ("orders", "deposits"))


class Catalogued:
    """A home with a lake, published marts and the catalog, and a reader of each."""

    def __init__(
        self, url: str, home: Path, register: type[IcebergRegister] = OneTableRegister
    ) -> None:
        self.home, self.url = home, iceberg_database_url(url)
        self.lake_store = DirectoryStore(home / "lake")
        self.store = DirectoryStore(home / "iceberg")
        self.lake = ParquetLake(self.lake_store, home / "mirror")
        self.register = register(self.url, self.store, self.lake_store, home).register

    @contextmanager
    def catalog(self) -> Iterator[SqlCatalog]:
        with open_catalog(self.url, self.store) as catalog:
            yield catalog

    def changed(self) -> Mapping[str, tuple[int, int]]:
        return {name: counts for name, counts in self.register().items() if any(counts)}

    def read(self, namespace: str, name: str) -> pl.DataFrame:
        with self.catalog() as catalog:
            arrow = catalog.load_table((namespace, name)).scan().to_arrow()
        return pl.DataFrame(pl.from_arrow(arrow))

    def assert_equals_the_lake(self, name: str) -> None:
        expected = self.lake.scan(name)
        found = self.read("lake", name)
        if expected is None:
            assert found.is_empty()
            return
        frame = expected.collect()
        assert_frame_equal(
            found.select(frame.columns), frame, check_row_order=False, check_dtypes=True
        )


@pytest.fixture
def catalogued(database_url: str, tmp_path: Path) -> Catalogued:
    return Catalogued(database_url, tmp_path)


MOMENT = datetime(2026, 11, 20, 12, 30, 0, 123456, tzinfo=UTC)
# What a column of each type holds; the test takes them in turn, with nulls between.
VALUES: Mapping[Any, list[Any]] = {
    pl.Decimal: [Decimal(10**30), Decimal(-1)],
    pl.List: [["a", "b"], []],
    pl.Datetime: [MOMENT, MOMENT + timedelta(microseconds=1)],
    pl.Date: [MOMENT.date(), date(1969, 12, 31)],
    pl.Boolean: [True, False],
    pl.Binary: [b"\x01", b""],
    pl.String: ["x", "ä €", ""],
}


def a_value(kind: pl.DataType, random: Random) -> Any:
    return random.choice([None, *VALUES.get(type(kind), [1, 2, 3])])


def a_frame(table: str, random: Random, rows: int = 5) -> pl.DataFrame:
    columns = lake_tables()[table]
    values = {name: [a_value(kind, random) for _ in range(rows)] for name, kind in columns.items()}
    return pl.DataFrame(values, schema=columns)


def test_every_table_has_the_rows_of_its_parquet(database_url: str, tmp_path: Path) -> None:
    catalogued = Catalogued(database_url, tmp_path, IcebergRegister)
    random = Random(1)  # noqa: S311 - made-up rows
    for table in lake_tables():
        for day in (DAY, DAY + timedelta(days=1)):
            catalogued.lake.write(table, day, "1", a_frame(table, random))
    a_build(catalogued.home, 2).publish()

    catalogued.register()

    for table in lake_tables():
        catalogued.assert_equals_the_lake(table)
    for mart in ("fct_days", "fct_users"):
        with duckdb.connect(str(catalogued.home / "published/cardops.duckdb")) as session:
            assert_frame_equal(catalogued.read("marts", mart), session.sql(f"from {mart}").pl())
    assert catalogued.changed() == {}


def test_rewritten_deleted_and_new_files_are_one_snapshot(catalogued: Catalogued) -> None:
    random = Random(2)  # noqa: S311 - made-up rows
    for name in ("1", "2"):
        catalogued.lake.write("deposits", DAY, name, a_frame("deposits", random))
    catalogued.register()

    catalogued.lake.write("deposits", DAY, "1", a_frame("deposits", random))
    catalogued.lake.delete("deposits", DAY, "2")
    catalogued.lake.write("deposits", DAY, "3", a_frame("deposits", random))

    assert catalogued.changed() == {"lake.deposits": (2, 2)}
    catalogued.assert_equals_the_lake("deposits")


def test_filter_by_business_date_reads_that_dates_files_alone(catalogued: Catalogued) -> None:
    random = Random(3)  # noqa: S311 - made-up rows
    for day in range(3):
        catalogued.lake.write("orders", DAY + timedelta(days=day), "1", a_frame("orders", random))
    catalogued.register()

    with catalogued.catalog() as catalog:
        scan = catalog.load_table("lake.orders").scan(f"business_date = '{DAY}'")
        files = [task.file.file_path for task in scan.plan_files()]

    assert len(files) == 1
    assert str(DAY) in files[0]
    assert scan.to_arrow()["business_date"].to_pylist() == [DAY] * 5


def test_column_that_came_later_is_null_in_older_files(catalogued: Catalogued) -> None:
    frame = a_frame("orders", Random(4))  # noqa: S311 - made-up rows
    catalogued.lake.write("orders", DAY, "1", frame.drop("flags"))
    catalogued.lake.write("orders", DAY, "2", frame)

    catalogued.register()

    catalogued.assert_equals_the_lake("orders")


def test_republished_marts_leave_bounded_metadata(catalogued: Catalogued) -> None:
    sizes = []
    for number in range(1, 8):
        a_build(catalogued.home, number).publish()
        catalogued.register()
        assert set(catalogued.read("marts", "fct_days")["build"]) == {number}
        folder = catalogued.home / "iceberg/marts/fct_days/metadata"
        sizes.append(len(list(folder.iterdir())))

    with catalogued.catalog() as catalog:
        assert len(catalog.load_table("marts.fct_days").snapshots()) == KEPT_SNAPSHOTS
    assert sizes[-1] == sizes[-2] == sizes[-3]


def test_mart_that_changed_its_columns_is_read_with_the_new_ones(catalogued: Catalogued) -> None:
    warehouse = a_build(catalogued.home, 1)
    warehouse.publish()
    catalogued.register()
    with duckdb.connect(str(warehouse.build_file)) as session:
        session.execute(
            "create or replace table marts.fct_days as select '7' as build, 1.5::decimal(9, 2) as rate"
        )
    warehouse.publish()

    catalogued.register()

    assert catalogued.read("marts", "fct_days").rows(named=True) == [
        {"build": "7", "rate": Decimal("1.50")}
    ]


def register_and_die(url: str, home: Path, line: int) -> None:
    """Register, and kill this process before the module's line of that number."""
    executed = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal executed
        if frame.f_code.co_filename != iceberg_tables.__file__:
            return None
        executed += event == "line"
        if executed == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    Catalogued(url, home).register()


def ended_registration(url: str, home: Path, line: int) -> int | None:
    # Not a plain fork: arrow's threads would be missing in it.
    process = warm_context().Process(target=register_and_die, args=(url, home, line))
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize("every", [200, pytest.param(11, marks=pytest.mark.soak)])
def test_killed_registration_leaves_a_readable_table(
    catalogued: Catalogued, database_url: str, every: int
) -> None:
    home, number = catalogued.home, 1
    a_build(home, number).publish()
    catalogued.register()
    ended = []
    for line in LINES[::every]:
        number += 1
        a_build(home, number).publish()
        ended.append(ended_registration(database_url, home, line))
        assert set(catalogued.read("marts", "fct_days")["build"]) <= {number - 1, number}
        catalogued.register()
        assert set(catalogued.read("marts", "fct_days")["build"]) == {number}
    assert ended[0] == -signal.SIGKILL
