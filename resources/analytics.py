"""Lake and marts, read with DuckDB."""

import dagster as dg
from typing_extensions import override

from cardops.ports import (
    Disputes,
    IcebergCatalog,
    LakeBooks,
    MonitoringProgrammes,
    Reports,
    RingSnapshots,
    RingSources,
    Warehouse,
)
from resources.adapters import adapters


class LakeBooksResource(dg.ConfigurableResource[LakeBooks]):
    """Closing balances and transaction log in the lake."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> LakeBooks:
        return adapters().lake_books


class DisputesResource(dg.ConfigurableResource[Disputes]):
    """The lake's disputes by their last step."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Disputes:
        return adapters().disputes


class WarehouseResource(dg.ConfigurableResource[Warehouse]):
    """The DuckDB file under the home: one builder at a time; readers open what was published."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Warehouse:
        return adapters().warehouse


class ReportsResource(dg.ConfigurableResource[Reports]):
    """Figures of daily reports, read from the marts, and the folder of their pages."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> Reports:
        return adapters().reports


class MonitoringProgrammesResource(dg.ConfigurableResource[MonitoringProgrammes]):
    """Where merchants stand in monitoring programmes, from the marts."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> MonitoringProgrammes:
        return adapters().monitoring_programmes


class RingSnapshotsResource(dg.ConfigurableResource[RingSnapshots]):
    """Snapshots of fraud rings in the lake."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> RingSnapshots:
        return adapters().ring_snapshots


class IcebergCatalogResource(dg.ConfigurableResource[IcebergCatalog]):
    """The catalog of Iceberg tables, in a schema of its own on the same database."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> IcebergCatalog:
        return adapters().iceberg_catalog


class RingSourcesResource(dg.ConfigurableResource[RingSources]):
    """What fraud rings are found in."""

    @override
    def create_resource(self, context: dg.InitResourceContext) -> RingSources:
        return adapters().ring_sources
