"""Quarantined rows with their reasons, without their records, for the marts."""

import dagster as dg

from assets.partitions import business_date_of, business_dates, one_date_a_run
from cardops.contracts.kinds.registry import KINDS
from cardops.ports import IntakeLedger, Lake, ObjectStore
from cardops.services.intake.quarantine_snapshots import QuarantineSnapshots


@dg.asset(
    name="quarantined_rows",
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
    # Files that ended late and rows that were released since are of other dates.
    deps=[dg.AssetDep(kind, partition_mapping=dg.AllPartitionMapping()) for kind in KINDS],
    kinds={"postgres", "parquet"},
)
def quarantine_snapshots(
    context: dg.AssetExecutionContext,
    intake_ledger: dg.ResourceParam[IntakeLedger],
    failed_store: dg.ResourceParam[ObjectStore],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """The date's quarantined rows, and older ones that were released since the close before."""
    service = QuarantineSnapshots(intake_ledger, failed_store, lake)
    frame = service.write(business_date_of(context))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": frame.height,
            "states": dg.MetadataValue.json(
                dict(frame["state"].value_counts(sort=True).iter_rows())
            ),
        }
    )
