"""From which columns each column of a model is made, read from the SQL that dbt compiled."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cardops.adapters.warehouse.column_lineage import column_lineage
from cardops.rules.reports import ColumnOrigin

SOURCE = "source.cardops.lake.balances"
RELATION = "read_parquet( '/home/sources/balances/*/*/*.parquet', hive_partitioning = true)"
STAGED = f"select *, balance_minor - 1 as less from {RELATION}"  # noqa: S608 - ours
TABLES = {"stg_balances": ["user_id", "balance_minor", "less"], "kinds": ["kind", "label"]}


def node(name: str, parents: Sequence[str], kind: str = "model", code: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "resource_type": kind,
        "package_name": "cardops",
        "original_file_path": f"models/{name}.sql",
        "schema": "marts",
        "relation_name": f'"build"."marts"."{name}"',
        "raw_code": code,
        "depends_on": {"nodes": list(parents)},
    }


def compiled(target: Path, **models: tuple[str, Sequence[str]]) -> Path:
    """What dbt leaves of these models, each with its SQL and its parents."""
    folder = target / "compiled" / "cardops" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    nodes = {"seed.cardops.kinds": node("kinds", [], kind="seed")}
    for name, (query, parents) in models.items():
        (folder / f"{name}.sql").write_text(query)
        nodes[f"model.cardops.{name}"] = node(name, parents, code=query)
    source = {"name": "balances", "relation_name": RELATION}
    manifest = {"nodes": nodes, "sources": {SOURCE: source}, "macros": {}}
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


def test_columns_are_followed_through_joins_and_expressions_to_the_parents(tmp_path: Path) -> None:
    query = """
    with summed as (
        select user_id, sum(balance_minor) as total, max(kind) as kind
        from "build"."marts"."stg_balances" group by user_id
    )
    select summed.user_id, summed.total / 2 + length(kinds.label) as figure, 'x' as constant
    from summed left join "build"."marts"."kinds" using (kind)
    """.replace("max(kind)", "max(less)::text")
    parents = ["model.cardops.stg_balances", "seed.cardops.kinds"]
    target = compiled(
        tmp_path / "target", stg_balances=(STAGED, [SOURCE]), fct_users=(query, parents)
    )

    lineage = column_lineage(target, TABLES)

    staged = "model.cardops.stg_balances"
    assert lineage["fct_users"] == {
        "user_id": [ColumnOrigin(staged, "user_id")],
        "figure": [
            ColumnOrigin(staged, "balance_minor"),
            ColumnOrigin("seed.cardops.kinds", "label"),
        ],
        "constant": [],
    }


def test_every_column_of_a_table_of_the_lake_is_an_origin(tmp_path: Path) -> None:
    target = compiled(tmp_path / "target", stg_balances=(STAGED, [SOURCE]))

    staged = column_lineage(target, TABLES)["stg_balances"]

    assert staged["user_id"] == [ColumnOrigin(SOURCE, "user_id")]
    assert staged["business_date"] == [ColumnOrigin(SOURCE, "business_date")]
    assert staged["less"] == [ColumnOrigin(SOURCE, "balance_minor")]


def test_unchanged_project_is_not_read_again(tmp_path: Path) -> None:
    target = compiled(tmp_path / "target", stg_balances=(STAGED, [SOURCE]))
    first = column_lineage(target, TABLES)

    (target / "compiled" / "cardops" / "models" / "stg_balances.sql").write_text("not SQL (")

    assert column_lineage(target, TABLES) == first


def test_changed_model_is_read_again(tmp_path: Path) -> None:
    target = compiled(tmp_path / "target", stg_balances=(STAGED, [SOURCE]))
    column_lineage(target, TABLES)

    compiled(target, stg_balances=(STAGED.replace("*, balance_minor - 1", "user_id"), [SOURCE]))

    changed = column_lineage(target, TABLES)["stg_balances"]
    assert changed == {"less": [ColumnOrigin(SOURCE, "user_id")]}


def test_model_that_cannot_be_read_is_left_out_with_a_warning_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = compiled(
        tmp_path / "target", stg_balances=(STAGED, [SOURCE]), fct_odd=("select ((", [])
    )

    with caplog.at_level(logging.WARNING):
        found = column_lineage(target, TABLES)

    assert found.keys() == {"stg_balances"}
    assert "fct_odd is shown without column lineage" in caplog.text
    (target / "compiled" / "cardops" / "models" / "fct_odd.sql").write_text("select 1 as one")
    assert column_lineage(target, TABLES)["fct_odd"] == {"one": []}


def test_model_that_was_not_compiled_is_left_out(tmp_path: Path) -> None:
    target = compiled(tmp_path / "target", stg_balances=(STAGED, [SOURCE]), fct_new=("", []))
    (target / "compiled" / "cardops" / "models" / "fct_new.sql").unlink()

    assert column_lineage(target, TABLES).keys() == {"stg_balances"}
