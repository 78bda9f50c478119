"""The lake and the published marts as tables of Apache Iceberg."""

import dagster as dg

from assets.partitions import business_dates, one_date_a_run
from cardops.ports import IcebergCatalog


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="analytics",
    deps=["published_marts"],
    kinds={"iceberg", "postgres"},
)
def iceberg_tables(
    context: dg.AssetExecutionContext, iceberg_catalog: dg.ResourceParam[IcebergCatalog]
) -> dg.MaterializeResult[None]:
    """Every table of the lake, and every mart, in an Iceberg catalog: the same files, none copied."""
    changes = iceberg_catalog.register()
    return dg.MaterializeResult(
        metadata={
            "tables": len(changes),
            "files_added": sum(added for added, _ in changes.values()),
            "files_dropped": sum(dropped for _, dropped in changes.values()),
            "changed_tables": dg.MetadataValue.json(
                {name: list(change) for name, change in changes.items() if any(change)}
            ),
        }
    )
