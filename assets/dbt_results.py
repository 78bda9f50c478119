"""What a dbt build says of itself, as Dagster shows it.

Belongs here: the results of nodes, the metadata of models with the lineage of their columns, and which results are those of tests of the lake's tables. The build
itself is in marts.py, the checks of the lake's tables in source_tests.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.dbt_tests import tests_a_source
from assets.source_tests import source_evaluations
from cardops.ports import Warehouse
from cardops.rules.reports import BuiltTable, ColumnLineage, SourceTest

if TYPE_CHECKING:
    from dagster_dbt import DbtCliInvocation


def described_events(build: "DbtCliInvocation", warehouse: Warehouse) -> Iterator[Any]:
    """The build's events in their order, each model's with its rows and the types of its columns.

    They wait until dbt is done: a DuckDB file has one writer or many readers. Results of tests of the
    lake's tables come first, as evaluations of the checks of those assets.
    """
    nodes = build.manifest["nodes"]
    events = [event for event in build.stream() if not _is_of_a_source(event, nodes)]
    tables = warehouse.built_tables()
    lineage = _Lineage(build, warehouse.column_lineage(tables))
    found = _source_tests(build)
    warehouse.record_source_tests(found)
    yield from source_evaluations(build.manifest, found)
    for event in events:
        yield _described(event, tables, lineage) if isinstance(event, dg.Output) else event


def _is_of_a_source(event: Any, nodes: Mapping[str, Any]) -> bool:
    if not isinstance(event, dg.AssetObservation):
        return False
    return tests_a_source(nodes[_unique_id(event)])


def _unique_id(event: dg.AssetObservation | dg.Output[Any]) -> str:
    return str(event.metadata["unique_id"].value)


def _described(
    event: dg.Output[Any], tables: Mapping[str, BuiltTable], lineage: "_Lineage"
) -> dg.Output[Any]:
    name = _unique_id(event).split(".")[-1]
    table = tables.get(name)
    if table is None:
        return event
    columns = [dg.TableColumn(name, kind) for name, kind in table.column_types.items()]
    metadata: dict[str, Any] = {"dagster/column_schema": dg.TableSchema(columns=columns)}
    if table.row_count is not None:
        metadata["dagster/row_count"] = table.row_count
    if name in lineage.of_models:
        metadata["dagster/column_lineage"] = lineage.of(name)
    return event.with_metadata({**event.metadata, **metadata})


@dataclass(frozen=True, slots=True)
class _Lineage:
    build: "DbtCliInvocation"
    of_models: ColumnLineage

    def of(self, model: str) -> dg.TableColumnLineage:
        """The model's columns with those of assets that they are made from."""
        return dg.TableColumnLineage(
            {
                column: [
                    dg.TableColumnDep(self._asset_key(origin.node), origin.column)
                    for origin in origins
                ]
                for column, origins in self.of_models[model].items()
            }
        )

    def _asset_key(self, node: str) -> dg.AssetKey:
        manifest = self.build.manifest
        properties = manifest["sources"].get(node) or manifest["nodes"][node]
        return self.build.dagster_dbt_translator.get_asset_key(properties)


def results_of(build: "DbtCliInvocation") -> list[dict[str, Any]]:
    """The result of each node that dbt ran or skipped; none where dbt ended before it wrote any."""
    try:
        return list(build.get_artifact("run_results.json")["results"])
    except FileNotFoundError:
        return []


def _source_tests(build: "DbtCliInvocation") -> list[SourceTest]:
    nodes = build.manifest["nodes"]
    return [
        SourceTest(
            name=result["unique_id"],
            passed=result["status"] == "pass",
            is_warning=result["status"] == "warn",
            failed_rows=result["failures"],
            message=result["message"],
        )
        for result in results_of(build)
        if result["unique_id"] in nodes
        and tests_a_source(nodes[result["unique_id"]])
        and result["status"] != "skipped"
    ]
