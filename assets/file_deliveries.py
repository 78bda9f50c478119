"""Chargeback files as they stand at the close of a business date, for the marts."""

import dagster as dg

from assets.partitions import business_date_of, business_dates, one_date_a_run
from cardops.ports import Acknowledgements, DeliveryLedger, Lake
from cardops.services.deliveries.delivery_snapshots import snapshot_deliveries


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
    deps=[
        # All files of all batches, whatever their date.
        dg.AssetDep("chargeback_deliveries", partition_mapping=dg.AllPartitionMapping()),
        "acknowledgements",
    ],
    kinds={"postgres", "parquet"},
)
def file_deliveries(
    context: dg.AssetExecutionContext,
    delivery_ledger: dg.ResourceParam[DeliveryLedger],
    acknowledgement_ledger: dg.ResourceParam[Acknowledgements],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Each chargeback file: its state, number and hash, and what its card company answered."""
    day = business_date_of(context)
    frame = snapshot_deliveries(delivery_ledger, acknowledgement_ledger, lake, day)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": frame.height,
            "states": dg.MetadataValue.json(
                dict(frame["state"].value_counts(sort=True).iter_rows())
            ),
            "acknowledgements": dg.MetadataValue.json(
                dict(frame["acknowledgement"].value_counts(sort=True).iter_rows())
            ),
        }
    )
