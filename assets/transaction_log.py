"""The transaction log of a business date, whole, from the store into the lake."""

from datetime import date

import dagster as dg

from assets.partitions import business_dates, one_date_a_run
from assets.tables import priced_metadata
from cardops.ports import Books, Lake, TransactionLog
from cardops.services.reconciliation.log_export import ExportedDate, LogExport, count_events


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="balances",
    # After the balances, so that every row a balance contains is in the log.
    deps=["balances"],
    kinds={"postgres", "parquet"},
)
def transaction_log(
    context: dg.AssetExecutionContext,
    log_reader: dg.ResourceParam[TransactionLog],
    books: dg.ResourceParam[Books],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Every decision and movement of the date; earlier dates that are not final are exported again.

    A date is final once it is over and every transaction open at its end has ended.
    """
    business_date = date.fromisoformat(context.partition_key)
    metadata: dict[str, dg.MetadataValue] = {}
    for exported in LogExport(log_reader, books, lake).export_until(business_date):
        metadata = _metadata(exported)
        if exported.business_date != business_date:
            partition = str(exported.business_date)
            context.log_event(
                dg.AssetMaterialization("transaction_log", metadata=metadata, partition=partition)
            )
    return dg.MaterializeResult(metadata=metadata)


@dg.asset_check(asset=transaction_log, blocking=True)
def each_event_is_in_the_transaction_log_once(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[Lake],
) -> dg.AssetCheckResult:
    """No event of the date is in the lake twice, however often the date was exported."""
    counts = count_events(date.fromisoformat(context.partition_key), lake)
    if counts is None:
        return dg.AssetCheckResult(passed=False, metadata={"business_date": context.partition_key})
    return dg.AssetCheckResult(
        passed=counts.rows == counts.distinct_events,
        metadata={
            "business_date": context.partition_key,
            "rows": counts.rows,
            "distinct_events": counts.distinct_events,
        },
    )


def _metadata(exported: ExportedDate) -> dict[str, dg.MetadataValue]:
    return {
        "dagster/row_count": dg.MetadataValue.int(exported.export.row_count),
        "is_closed": dg.MetadataValue.bool(exported.export.is_closed),
        "content_sha256": dg.MetadataValue.text(exported.export.content_sha256),
        "totals": priced_metadata(exported.totals.to_dicts()),
        "uri": dg.MetadataValue.path(exported.uri),
    }
