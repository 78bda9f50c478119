"""Every mart of the dbt project, built on a Spark cluster, has the rows that DuckDB builds."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from cardops.adapters.warehouse.dbt import PROJECT_DIR, project_environment, run_dbt
from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from tests.dbt.test_marts import a_small_lake
from tests.factories.lake_of_every_mart import lake_of_every_mart
from tests.servers.spark_cluster import JAVA_OPTIONS, spark_cluster, spark_is_missing

pytestmark = [
    pytest.mark.spark,
    pytest.mark.soak,
    pytest.mark.timeout(3600),
    # PySpark's of its own interface to pandas, which nothing here uses.
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]

BUILD_TIMEOUT_SECONDS = 3000
# Many small queries: to compile each into classes, to plan it again as it runs, to check the plan after every
# rule of the optimizer and to write it down would all take longer than they do. A table of the lake is read by one
# task; what comes after it is shared out to two.
_SPARK_SETTINGS = f"""
spark.sql.codegen.wholeStage false
spark.sql.codegen.factoryMode NO_CODEGEN
spark.sql.adaptive.enabled false
spark.sql.lightweightPlanChangeValidation false
spark.sql.ui.explainMode simple
spark.sql.maxPlanStringLength 1000
spark.sql.files.minPartitionNum 1
spark.driver.memory 2g
spark.driver.extraJavaOptions {JAVA_OPTIONS}
spark.executor.memory 512m
spark.network.timeout 600s
spark.executor.extraJavaOptions {JAVA_OPTIONS}
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.ui.showConsoleProgress false
"""
_QUIET_LOG = "rootLogger.level = error\n"


@dataclass(frozen=True)
class BothBuilds:
    """One lake's marts, on DuckDB and on Spark."""

    warehouse: DuckDbWarehouse
    spark_marts: Path
    tasks_by_executor: Mapping[str, int]
    executors_by_worker: Sequence[set[str]]

    def differing(self) -> Mapping[str, tuple[int, int]]:
        """By mart: rows that only DuckDB has, and rows that only Spark has. Equal marts are not named."""
        with self.warehouse.reading() as session:
            found = {name: self._rows_apart(session, name) for name in _marts(session)}
        return {name: counts for name, counts in found.items() if counts != (0, 0)}

    def _rows_apart(self, session: duckdb.DuckDBPyConnection, mart: str) -> tuple[int, int]:
        files = self.spark_marts / mart / "*.parquet"
        names_and_types = session.execute(
            "select column_name, data_type from information_schema.columns"
            " where table_schema = 'marts' and table_name = ? order by ordinal_position",
            [mart],
        ).fetchall()
        # Spark has no type for a count that is not its own: values are compared as DuckDB types them.
        columns = ", ".join(f'cast("{name}" as {kind})' for name, kind in names_and_types)
        on_duckdb = f"select {columns} from marts.{mart}"  # noqa: S608 - dbt's own names
        on_spark = f"select {columns} from read_parquet('{files}')"  # noqa: S608 - as above
        return (
            _count(session, f"{on_duckdb} except all {on_spark}"),
            _count(session, f"{on_spark} except all {on_duckdb}"),
        )


def _count(session: duckdb.DuckDBPyConnection, query: str) -> int:
    counted = session.execute(f"select count(*) from ({query})").fetchone()  # noqa: S608 - as above
    assert counted
    return int(counted[0])


def _marts(session: duckdb.DuckDBPyConnection) -> list[str]:
    found = session.execute(
        "select table_name from information_schema.tables where table_schema = 'marts' order by 1"
    ).fetchall()
    return [name for (name,) in found]


@pytest.fixture(scope="module")
def both_builds(tmp_path_factory: pytest.TempPathFactory) -> BothBuilds:
    if reason := spark_is_missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("spark")
    warehouse = DuckDbWarehouse(folder / "home")
    (folder / "spark-defaults.conf").write_text(_SPARK_SETTINGS)
    (folder / "log4j2.properties").write_text(_QUIET_LOG)
    with (
        warehouse.building(lake_of_every_mart(a_small_lake())) as environment,
        ThreadPoolExecutor() as pool,
        spark_cluster(folder) as cluster,
    ):
        # Both at once: each of them only reads the lake.
        on_duckdb = pool.submit(_build_on_duckdb, environment)
        tasks = _build_on_spark(folder, {**environment, "CARDOPS_SPARK_MASTER": cluster.master})
        on_duckdb.result()
        executors = cluster.executors_by_worker()
    return BothBuilds(warehouse, folder / "warehouse" / "marts.db", tasks, executors)


def _build_on_duckdb(environment: Mapping[str, str]) -> None:
    without = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
    run_dbt(["build", "--quiet", *without], environment, timeout_seconds=BUILD_TIMEOUT_SECONDS)


def _build_on_spark(folder: Path, environment: Mapping[str, str]) -> Mapping[str, int]:
    """Every mart; returns how many tasks each of Spark's processes has done."""
    settings = {
        "CARDOPS_SPARK_CATALOG": "in-memory",
        "CARDOPS_SPARK_PARTITIONS": "2",
        "CARDOPS_SPARK_WAREHOUSE": str(folder / "warehouse"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "SPARK_CONF_DIR": str(folder),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": str(PROJECT_DIR.parent),
    }
    tasks = folder / "tasks.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.servers.dbt_on_spark", str(tasks)],
        cwd=folder,
        env={**os.environ, **project_environment(), **environment, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_TIMEOUT_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return dict(json.loads(tasks.read_text()))


def test_the_lake_leaves_no_mart_without_rows(both_builds: BothBuilds) -> None:
    with both_builds.warehouse.reading() as session:
        counts = {name: _count(session, f"from marts.{name}") for name in _marts(session)}

    assert [name for name, count in counts.items() if count == 0] == []


def test_every_mart_on_spark_has_the_rows_of_duckdb(both_builds: BothBuilds) -> None:
    assert both_builds.differing() == {}


def test_spark_builds_the_marts_that_duckdb_builds_and_no_other(both_builds: BothBuilds) -> None:
    with both_builds.warehouse.reading() as session:
        marts = _marts(session)

    assert sorted(path.name for path in both_builds.spark_marts.iterdir()) == marts


def test_both_workers_computed_and_the_driver_did_not(both_builds: BothBuilds) -> None:
    tasks = both_builds.tasks_by_executor
    of_workers = [
        sum(tasks.get(executor, 0) for executor in executors)
        for executors in both_builds.executors_by_worker
    ]

    assert len(of_workers) == 2
    # The driver is named in it, too; and there are tables enough for a hundred tasks.
    assert sum(of_workers) == sum(tasks.values()) > 100
    # Spark hands a task to any worker that is free: neither one has done far less than the other.
    assert min(of_workers) * 4 > sum(of_workers)
