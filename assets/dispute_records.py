"""Who works on which dispute, and what was decided, as the marts need it."""

import dagster as dg

from assets.partitions import business_date_of, business_dates, one_date_a_run
from cardops.ports import DisputeRecords, Lake
from cardops.services.disputes.standing_records import snapshot_records


@dg.asset(
    name="dispute_records",
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
    kinds={"postgres", "parquet"},
)
def dispute_record_snapshots(
    context: dg.AssetExecutionContext,
    dispute_records: dg.ResourceParam[DisputeRecords],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """The owner of each dispute and what was decided about it, by the end of the close."""
    day = business_date_of(context)
    frame = snapshot_records(dispute_records, lake, day)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(frame),
            "assigned": frame["owner"].count(),
            "decided": frame["decision"].count(),
        }
    )
