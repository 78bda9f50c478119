"""Iceberg tables in a bucket need nothing of the machine that made them."""

import os
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pyiceberg.table import StaticTable

from cardops.adapters.warehouse.publications import KEPT_PUBLICATIONS
from cardops.bootstrap import Adapters
from cardops.rules.intake.objects import ObjectStoreError
from cardops.settings import Settings
from orchestration.cli.checkup import STORES, _store
from tests.factories.iceberg import Catalogued, a_frame
from tests.factories.marts import a_build
from tests.servers.s3 import REGION, bucket, moto_server

pytestmark = pytest.mark.database
DAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture
def catalogued(database_url: str, tmp_path: Path, server: str) -> Iterator[Catalogued]:
    with bucket(server) as url:
        yield Catalogued(database_url, tmp_path, bucket=f"{url}/cards")


def test_tables_have_the_rows_of_their_parquet(catalogued: Catalogued) -> None:
    random = Random(1)  # noqa: S311 - made-up rows
    for day in (DAY, DAY + timedelta(days=1)):
        for name in ("1", "2"):
            catalogued.lake.write("deposits", day, name, a_frame("deposits", random))
    catalogued.register()
    catalogued.lake.write("deposits", DAY, "1", a_frame("deposits", random))
    catalogued.lake.delete("deposits", DAY, "2")
    a_build(catalogued.home, 2).publish()

    changed = catalogued.changed()

    assert changed == {
        "lake.deposits": (1, 2),
        "marts.fct_days": (1, 0),
        "marts.fct_users": (1, 0),
    }
    catalogued.assert_equals_the_lake("deposits")
    with duckdb.connect(str(catalogued.home / "published/cardops.duckdb")) as session:
        assert_frame_equal(catalogued.read("marts", "fct_days"), session.sql("from fct_days").pl())
    assert catalogued.changed() == {}


def test_lake_files_are_listed_where_they_are(catalogued: Catalogued) -> None:
    catalogued.lake.write("orders", DAY, "1", a_frame("orders", Random(2)))  # noqa: S311 - made-up rows
    before = {stat.key: stat.version for stat in catalogued.lake_store.list_objects("")}

    catalogued.register()

    with catalogued.catalog() as catalog:
        files = [
            task.file.file_path for task in catalog.load_table("lake.orders").scan().plan_files()
        ]
    assert files == [f"{catalogued.lake_store.url.rstrip('/')}/{key}" for key in before]
    assert {stat.key: stat.version for stat in catalogued.lake_store.list_objects("")} == before


def read_elsewhere(metadata_location: str) -> pl.DataFrame:
    access = {"s3.endpoint": os.environ["AWS_ENDPOINT_URL"], "s3.region": REGION}
    table = StaticTable.from_metadata(metadata_location, access)
    return pl.DataFrame(pl.from_arrow(table.scan().to_arrow()))


def test_newest_metadata_file_is_enough_to_read_a_table_elsewhere(catalogued: Catalogued) -> None:
    """As Athena does after Glue was told of that file."""
    a_build(catalogued.home, 3).publish()
    catalogued.lake.write("orders", DAY, "1", a_frame("orders", Random(3)))  # noqa: S311 - made-up rows
    orders = catalogued.lake.scan("orders")
    assert orders is not None
    catalogued.register()
    with catalogued.catalog() as catalog:
        locations = {
            name: catalog.load_table(name).metadata_location
            for name in ("marts.fct_days", "lake.orders")
        }
    shutil.rmtree(catalogued.home)

    read = {name: read_elsewhere(location) for name, location in locations.items()}

    assert {location[:5] for location in locations.values()} == {"s3://"}
    assert read["marts.fct_days"]["build"].to_list() == [3] * 21
    frame = orders.collect()
    assert_frame_equal(read["lake.orders"].select(frame.columns), frame, check_row_order=False)


def test_copies_of_the_newest_publications_are_kept(catalogued: Catalogued) -> None:
    planned = []
    for number in range(1, KEPT_PUBLICATIONS + 3):
        a_build(catalogued.home, number).publish()
        catalogued.register()
        with catalogued.catalog() as catalog:
            planned.append(catalog.load_table("marts.fct_days").scan())

    kept = {stat.key.split("/")[1] for stat in catalogued.store.list_objects("published/")}

    assert kept == {f"{number:08d}" for number in range(3, KEPT_PUBLICATIONS + 3)}
    for number, scan in list(enumerate(planned, 1))[-KEPT_PUBLICATIONS:]:
        assert set(scan.to_arrow()["build"].to_pylist()) == {number}


def test_doctor_checks_the_tables_bucket(tmp_path: Path, server: str) -> None:
    with bucket(server) as url:
        writable = Adapters(Settings(home=tmp_path, iceberg_url=f"{url}/cards"))
        missing = Adapters(Settings(home=tmp_path, iceberg_url=f"{url}-which-is-not-there/cards"))

        assert _store("iceberg")(writable) == f"{writable.store('iceberg').url} is writable."
        with pytest.raises(ObjectStoreError):
            _store("iceberg")(missing)

    assert "iceberg" in STORES
