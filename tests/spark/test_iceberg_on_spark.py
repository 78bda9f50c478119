"""The lake's and the marts' Iceberg tables have, as Spark reads them, the rows of their Parquet.

Spark reads by the JAR of Apache Iceberg that the package snowpark-connect-deps-iceberg carries, and from
the tables' metadata files: the JDBC driver that Iceberg's own catalog needs is not among its JARs.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cardops.adapters.warehouse.iceberg import LAKE, MARTS, IcebergRegister
from cardops.contracts.lake.tables import lake_tables
from tests.adapters.warehouse.test_iceberg import DAY, Catalogued, a_frame
from tests.factories import marts
from tests.servers.spark_cluster import java_is_missing

pytestmark = [
    pytest.mark.database,
    pytest.mark.soak,
    pytest.mark.spark,
    pytest.mark.timeout(900),
]

JARS = "snowpark_connect_deps_iceberg"
_SETTINGS = {
    "spark.master": "local[2]",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
    # As every writer of the lake has them: instants of microseconds.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if reason := java_is_missing():
        pytest.skip(reason)
    if find_spec(JARS) is None:
        pytest.skip(
            "Iceberg's JAR for Spark is not installed: make test-spark installs it, with Python 3.11 or 3.12"
        )
    builder = import_module("pyspark.sql").SparkSession.builder
    (jar,) = (
        path
        for path in import_module(JARS).list_jars()
        if "iceberg-spark-runtime-3.5_2.12" in path.name
    )
    settings = {**_SETTINGS, "spark.jars": str(jar), "spark.driver.extraClassPath": str(jar)}
    session = builder.config(map=settings).getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def catalogued(database_url: str, tmp_path: Path) -> Catalogued:
    return Catalogued(database_url, tmp_path, IcebergRegister)


def read_by_spark(spark: Any, catalogued: Catalogued, name: str, to: Path) -> pl.DataFrame:
    with catalogued.catalog() as catalog:
        location = catalog.load_table(name).metadata_location
    read = spark.read.format("iceberg").load(location)
    read.coalesce(1).write.parquet(str(to / name))
    return pl.read_parquet(to / name / "*.parquet")


def test_spark_reads_the_rows_of_the_parquet(
    spark: Any, catalogued: Catalogued, tmp_path: Path
) -> None:
    expected = written_tables(catalogued)
    catalogued.register()

    for name, frame in expected.items():
        found = read_by_spark(spark, catalogued, name, tmp_path / "spark")
        assert_frame_equal(found.select(frame.columns), frame, check_row_order=False)
        assert frame.height > 0, name


def test_spark_reads_a_day_that_was_rewritten_and_not_its_former_rows(
    spark: Any, catalogued: Catalogued, tmp_path: Path
) -> None:
    written_tables(catalogued)
    catalogued.register()
    random = Random(2)  # noqa: S311 - made-up rows
    catalogued.lake.write("orders", DAY, "1", a_frame("orders", random, rows=3))
    catalogued.register()

    found = read_by_spark(spark, catalogued, f"{LAKE}.orders", tmp_path / "spark")

    expected = catalogued.lake.scan("orders")
    assert expected is not None
    frame = expected.collect()
    assert found.height == 8
    assert_frame_equal(found.select(frame.columns), frame, check_row_order=False)


def written_tables(catalogued: Catalogued) -> Mapping[str, pl.DataFrame]:
    """Two days of every table of the lake, and two marts; by table's name, the rows of their Parquet."""
    random = Random(1)  # noqa: S311 - made-up rows
    for table in lake_tables():
        for day in (DAY, DAY + timedelta(days=1)):
            catalogued.lake.write(table, day, "1", a_frame(table, random))
    published = marts.a_build(catalogued.home, 2).publish().path.resolve().parent
    lake = {f"{LAKE}.{table}": catalogued.lake.scan(table) for table in lake_tables()}
    return {
        **{name: rows.collect() for name, rows in lake.items() if rows is not None},
        **{
            f"{MARTS}.{name}": pl.read_parquet(published / f"{name}.parquet")
            for name in marts.MARTS
        },
    }
