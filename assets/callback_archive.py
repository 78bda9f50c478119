"""Old callbacks: from the store to the lake once their retention has ended."""

from collections import Counter

import dagster as dg

from assets.partitions import business_date_of, business_dates, one_date_a_run
from cardops.ports import CallbackArchive, Lake
from cardops.services.callbacks.archiving import CallbackArchiving


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
    kinds={"postgres", "parquet"},
)
def callback_archive(
    context: dg.AssetExecutionContext,
    archive: dg.ResourceParam[CallbackArchive],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Delivered callbacks and attempts that are older than their retention; dead ones stay."""
    rows: Counter[str] = Counter()
    parts = 0
    business_date = business_date_of(context)
    for part in CallbackArchiving(archive, lake).archive_until(business_date):
        parts += 1
        rows[part.table] += part.row_count
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows.total(),
            "rows": dg.MetadataValue.json(dict(rows)),
            "parts": parts,
        }
    )
