"""dbt, the marts it builds, and reports of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from cardops.bootstrap.files import FileAdapters

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from cardops.adapters.warehouse.dbt_docs import DbtDocs
    from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse
    from cardops.adapters.warehouse.published_query import PublishedMarts
    from cardops.ports import IcebergCatalog, MonitoringProgrammes, Reports


class ReportAdapters(FileAdapters):
    """Marts and reports."""

    @cached_property
    def warehouse(self) -> DuckDbWarehouse:
        """The DuckDB file that dbt builds, and what is published of it."""
        from cardops.adapters.warehouse.duckdb_warehouse import DuckDbWarehouse

        return DuckDbWarehouse(self.settings.home, self._duckdb)

    @cached_property
    def dbt_docs(self) -> DbtDocs:
        """The page that describes the dbt project."""
        from cardops.adapters.warehouse.dbt_docs import DbtDocs

        return DbtDocs(self.settings.home / "dbt_docs")

    @cached_property
    def reports(self) -> Reports:
        """Figures and pages of daily reports."""
        from cardops.adapters.warehouse.reports import DuckDbReports

        return DuckDbReports(
            self.warehouse,
            self.settings.home / "reports",
            self.lake,
            pages_url=self.settings.pages_url,
        )

    @cached_property
    def iceberg_catalog(self) -> IcebergCatalog:
        """Lake and marts as tables of Iceberg; asking for it starts the database."""
        from cardops.adapters.postgresql.iceberg_schema import iceberg_database_url
        from cardops.adapters.warehouse.iceberg import IcebergRegister

        return IcebergRegister(
            iceberg_database_url(self.database.url),
            self.store("iceberg"),
            self.store("lake"),
            self.settings.home,
        )

    @cached_property
    def monitoring_programmes(self) -> MonitoringProgrammes:
        """Where merchants stand in monitoring programmes."""
        from cardops.adapters.warehouse.monitoring import DuckDbMonitoringProgrammes

        return DuckDbMonitoringProgrammes(self.warehouse)

    def published_marts(self, timeout_seconds: float) -> AbstractContextManager[PublishedMarts]:
        """Queries to the marts that analysts see. Raises NothingBuiltError, and MartsQueryError in the block."""
        from cardops.adapters.warehouse.published_query import published_marts

        return published_marts(self.settings.home, timeout_seconds)


def dbt_program() -> tuple[Path, tuple[str, ...]]:
    """The folder of the dbt project, and the command that runs dbt."""
    from cardops.adapters.warehouse import dbt

    return dbt.PROJECT_DIR, dbt.dbt_command()


def dbt_manifest() -> Path:
    """The dbt project's manifest, parsed again if the project is newer. Raises DbtFailedError."""
    from cardops.adapters.warehouse.dbt import ensure_manifest

    return ensure_manifest()
