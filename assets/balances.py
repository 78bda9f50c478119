"""Closing balances: every account as it stood at the end of a business date, in the lake."""

from datetime import date
from typing import Final

import dagster as dg

from assets.partitions import business_dates, one_date_a_run
from assets.tables import priced_metadata, totals_metadata
from cardops.ports import Books, Lake
from cardops.services.reconciliation.closing_balances import write_closing_balances

PREVIEW_ROWS: Final = 10


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="balances",
    deps=["deposits"],
    kinds={"postgres", "parquet"},
)
def balances(
    context: dg.AssetExecutionContext,
    books: dg.ResourceParam[Books],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Closing balance of each account on the business date, read in one snapshot of the store."""
    closed = write_closing_balances(date.fromisoformat(context.partition_key), books, lake)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": closed.balances.height,
            "accounts_below_zero": closed.below_zero,
            **totals_metadata(closed.totals.to_dicts()),
            "preview": priced_metadata(closed.balances.head(PREVIEW_ROWS).to_dicts()),
            "uri": dg.MetadataValue.path(closed.uri),
        }
    )
