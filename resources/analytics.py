"""The warehouse that dbt builds in, and dbt itself."""

import dagster as dg
from typing_extensions import override

from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
from cardops.ports import Warehouse
from cardops.settings import Settings


class WarehouseResource(dg.ConfigurableResource[Warehouse]):
    """DuckDB under the home: one builder at a time, readers on what was published."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Warehouse:
        return DuckDbWarehouse(Settings.load().home)
