"""Closing balances and transaction log of a business date, in the lake.

Two assets, made together: the marts are not published while balances have postings that the log lacks, so nobody
makes one of a date without the other.
"""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from assets.partitions import business_date_of, business_dates, one_date_a_run
from assets.tables import priced_metadata, totals_metadata
from cardops.ports import Books, Lake, TransactionLog
from cardops.services.reconciliation.closing_balances import ClosedAccounts, write_closing_balances
from cardops.services.reconciliation.log_export import ExportedDate, LogExport

BALANCES: Final = "balances"
LOG: Final = "transaction_log"
PREVIEW_ROWS: Final = 10


@dg.multi_asset(
    name="exporting",
    specs=[
        dg.AssetSpec(
            BALANCES,
            deps=["deposits"],
            description="Closing balance of each account on the business date, read in one snapshot of the store.",
            kinds={"postgres", "parquet"},
        ),
        dg.AssetSpec(
            LOG,
            deps=[BALANCES],
            description=(
                "Every decision and movement of the date; earlier dates that are not final are exported again.\n\n"
                "A date is final once it is over and every transaction open at its end has ended."
            ),
            kinds={"postgres", "parquet"},
        ),
    ],
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="balances",
)
def exporting(
    context: dg.AssetExecutionContext,
    books: dg.ResourceParam[Books],
    log_reader: dg.ResourceParam[TransactionLog],
    lake: dg.ResourceParam[Lake],
) -> Iterator[dg.MaterializeResult[None]]:
    """The balances, then the log, so that every row a balance contains is in the log."""
    business_date = business_date_of(context)
    closed = write_closing_balances(business_date, books, lake)
    yield dg.MaterializeResult(BALANCES, metadata=_metadata_of_balances(closed))
    metadata: dict[str, dg.MetadataValue] = {}
    for exported in LogExport(log_reader, books, lake).export_until(business_date):
        metadata = _metadata_of_log(exported)
        if exported.business_date != business_date:
            partition = str(exported.business_date)
            context.log_event(dg.AssetMaterialization(LOG, metadata=metadata, partition=partition))
    yield dg.MaterializeResult(LOG, metadata=metadata)


def _metadata_of_balances(closed: ClosedAccounts) -> dict[str, dg.MetadataValue]:
    return {
        "dagster/row_count": dg.MetadataValue.int(closed.balances.height),
        "accounts_below_zero": dg.MetadataValue.int(closed.below_zero),
        **totals_metadata(closed.totals.to_dicts()),
        "preview": priced_metadata(closed.balances.head(PREVIEW_ROWS).to_dicts()),
        "uri": dg.MetadataValue.path(closed.uri),
    }


def _metadata_of_log(exported: ExportedDate) -> dict[str, dg.MetadataValue]:
    return {
        "dagster/row_count": dg.MetadataValue.int(exported.export.row_count),
        "is_closed": dg.MetadataValue.bool(exported.export.is_closed),
        "content_sha256": dg.MetadataValue.text(exported.export.content_sha256),
        "totals": priced_metadata(exported.totals.to_dicts()),
        "uri": dg.MetadataValue.path(exported.uri),
    }
