"""A home whose lake and marts are Iceberg tables, and readers of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal
from pyiceberg.catalog.sql import SqlCatalog
from typing_extensions import override

from cardops.adapters.object_stores.opening import open_store
from cardops.adapters.postgresql.iceberg_schema import iceberg_database_url
from cardops.adapters.warehouse.iceberg import IcebergRegister
from cardops.adapters.warehouse.iceberg_tables import open_catalog
from cardops.adapters.warehouse.lake import ParquetLake
from cardops.contracts.lake.tables import lake_tables

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


class OneTableRegister(IcebergRegister):
    """Leaves out the lake's other tables, which are empty in these tests."""

    @override
    def _lake_tables(self) -> Iterator[Any]:
        return (table for table in super()._lake_tables() if table[1] in ("orders", "deposits"))


class Catalogued:
    """A home with a lake, published marts and the catalog, and a reader of each.

    With `bucket`, the lake and the tables are there.
    """

    def __init__(
        self,
        url: str,
        home: Path,
        register: type[IcebergRegister] = OneTableRegister,
        bucket: str | None = None,
    ) -> None:
        root = bucket or home.as_uri()
        self.home, self.url = home, iceberg_database_url(url)
        self.lake_store = open_store(f"{root}/lake")
        self.store = open_store(f"{root}/iceberg")
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
