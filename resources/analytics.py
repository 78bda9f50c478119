"""DuckDB over lake and marts, on connections of `dagster_duckdb`."""

import dagster as dg
from dagster_duckdb import DuckDBResource
from typing_extensions import override

from cardops.ports import LakeBooks, Reports, Warehouse
from resources.adapters import adapters


class LakeBooksResource(dg.ConfigurableResource[LakeBooks]):
    """Closing balances and transaction log, compared by an in-memory DuckDB over the lake."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> LakeBooks:
        in_memory = DuckDBResource(database=":memory:")
        return adapters().lake_books_on(in_memory.get_connection)


class WarehouseResource(dg.ConfigurableResource[Warehouse]):
    """The DuckDB file under the home: one builder at a time; readers open what was published."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Warehouse:
        return adapters().warehouse_on(_marts().get_connection)


class ReportsResource(dg.ConfigurableResource[Reports]):
    """Figures of daily reports, read from the marts, and the folder of their pages."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Reports:
        return adapters().reports_on(_marts().get_connection)


def _marts() -> DuckDBResource:
    """The file that dbt builds, read-only; where it is, the settings say when a run starts."""
    build_file = adapters().warehouse.build_file
    return DuckDBResource(database=str(build_file), connection_config={"access_mode": "READ_ONLY"})
