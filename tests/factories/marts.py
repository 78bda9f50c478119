"""A build file with two small marts, as dbt would leave it, each row of which names its build."""

import json
from collections.abc import Mapping
from pathlib import Path

import duckdb

from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse

# Both marts of build N have N * ROWS rows, and each row says N.
ROWS = 7
MARTS = ("fct_days", "fct_users")


def a_build(home: Path, number: int) -> DuckDbWarehouse:
    """The warehouse with the marts of that build, not yet published."""
    warehouse = DuckDbWarehouse(home)
    warehouse.build_file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(warehouse.build_file)) as session:
        session.execute("create schema if not exists marts")
        for mart in MARTS:
            session.execute(f"create or replace table marts.{mart} (build bigint, place bigint)")
            session.execute(
                f"insert into marts.{mart} select ?, range from range(?)",  # noqa: S608 - our own names
                [number, number * ROWS],
            )
    return warehouse


def build_seen(session: duckdb.DuckDBPyConnection) -> int:
    """The build that a session sees. AssertionError where it is not one whole build."""
    seen: Mapping[str, tuple[int, int, int, int]] = {
        mart: session.execute(
            f"select count(*), min(build), max(build), sum(place)::bigint from {mart}"  # noqa: S608 - our own names
        ).fetchall()[0]
        for mart in MARTS
    }
    rows, build, _, _ = seen["fct_days"]
    expected = (build * ROWS, build, build, rows * (rows - 1) // 2)
    assert set(seen.values()) == {expected}, seen
    return build


def by_month_of(home: Path, name: str, date_column: str) -> None:
    """What dbt writes of a model that is published by month of this column."""
    model = {
        "resource_type": "model",
        "name": name,
        "description": "",
        "columns": {},
        "config": {"meta": {"published_by_month_of": date_column}},
    }
    target = DuckDbWarehouse(home).target_path
    target.mkdir(parents=True, exist_ok=True)
    (target / "manifest.json").write_text(json.dumps({"nodes": {name: model}}))
