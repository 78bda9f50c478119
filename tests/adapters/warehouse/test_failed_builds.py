"""A build whose tests failed is not published, until a build passes."""

from pathlib import Path

import duckdb
import pytest

from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse, open_published
from cardops.rules.reports import BuildFailedError, BuildFailures
from tests.fakes.lake import FakeLake


def build(warehouse: DuckDbWarehouse, figure: int, *failed: str) -> None:
    """As dbt leaves it: one mart with one figure, and the tests that failed."""
    with warehouse.building(FakeLake()):
        with duckdb.connect(str(warehouse.build_file)) as session:
            session.execute("create schema if not exists marts")
            session.execute(f"create or replace table marts.fct_day as select {figure} as figure")
        if failed:
            warehouse.record_failures(BuildFailures(tests=failed))


def published_figure(home: Path) -> int:
    with open_published(home) as session:
        row = session.execute("select figure from fct_day").fetchone()
    assert row
    return int(row[0])


def test_build_with_failed_tests_is_not_published(tmp_path: Path) -> None:
    warehouse = DuckDbWarehouse(tmp_path)
    build(warehouse, 1)
    warehouse.publish()
    build(warehouse, 2, "unique_key", "assert_sum")

    with pytest.raises(BuildFailedError, match=r"unique_key failed; dbt test assert_sum failed"):
        warehouse.publish()

    assert published_figure(tmp_path) == 1
    # Not even by another process that knows nothing of that build.
    with pytest.raises(BuildFailedError):
        DuckDbWarehouse(tmp_path).publish()


def test_next_build_that_passes_is_published(tmp_path: Path) -> None:
    warehouse = DuckDbWarehouse(tmp_path)
    build(warehouse, 1, "assert_sum")
    build(warehouse, 2)

    warehouse.publish()

    assert published_figure(tmp_path) == 2
