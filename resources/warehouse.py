"""The resource `warehouse`: the DuckDB file that dbt builds, and its publication."""

import dagster as dg
from typing_extensions import override

from cardops.adapters.settings import Settings
from cardops.adapters.warehouse import DuckDbWarehouse


class WarehouseResource(dg.ConfigurableResource[DuckDbWarehouse]):
    """Hands out the warehouse of this instance's home."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> DuckDbWarehouse:
        """The adapter; its folders are made when they are first needed."""
        return DuckDbWarehouse(Settings.load().home)
