"""The warehouse that dbt builds in, and dbt itself."""

import dagster as dg
from typing_extensions import override

from cardops.adapters.settings import Settings
from cardops.adapters.warehouse import DuckDbWarehouse
from cardops.ports import Warehouse


class WarehouseResource(dg.ConfigurableResource[Warehouse]):
    """DuckDB under the home: one builder at a time, readers on what was published."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Warehouse:
        return DuckDbWarehouse(Settings.load().home)
