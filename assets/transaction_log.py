"""The transaction log of a business date, whole, out of the store into the lake."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import dagster as dg
import polars as pl

from assets.partitions import business_dates, one_date_a_run
from cardops.contracts.lake.transaction_log import COLUMNS, TABLE
from cardops.ports import Books, DayExport, Lake, TransactionLog

SNAPSHOT: Final = "snapshot"


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="balances",
    # After the balances: then every row that a balance contains is in the log.
    deps=["balances"],
    kinds={"postgres", "parquet"},
)
def transaction_log(
    context: dg.AssetExecutionContext,
    log_reader: dg.ResourceParam[TransactionLog],
    books: dg.ResourceParam[Books],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """Every decision and movement of the date; earlier dates not yet final are brought up to date.

    A date is final once it is over and every transaction open at its end has ended.
    """
    business_date = date.fromisoformat(context.partition_key)
    for earlier in _before(business_date, books.dates_to_export(business_date)):
        _, metadata = export_day(earlier, log_reader, lake)
        context.log_event(
            dg.AssetMaterialization("transaction_log", metadata=metadata, partition=str(earlier))
        )
    _, metadata = export_day(business_date, log_reader, lake)
    return dg.MaterializeResult(metadata=metadata)


@dg.asset_check(asset=transaction_log, blocking=True)
def each_event_is_in_the_transaction_log_once(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[Lake],
) -> dg.AssetCheckResult:
    """No event of the date is in the lake twice, however often the date was exported."""
    business_date = date.fromisoformat(context.partition_key)
    rows = lake.scan(TABLE, [business_date])
    if rows is None:
        return dg.AssetCheckResult(passed=False, metadata={"business_date": str(business_date)})
    counts = rows.select(
        pl.len().alias("rows"), pl.struct("program", "kind", "event_key").n_unique().alias("events")
    ).collect()
    row_count, event_count = counts.row(0)
    return dg.AssetCheckResult(
        passed=row_count == event_count,
        metadata={
            "business_date": str(business_date),
            "rows": row_count,
            "distinct_events": event_count,
        },
    )


def export_day(
    business_date: date, log_reader: TransactionLog, lake: Lake
) -> tuple[DayExport, dict[str, dg.MetadataValue]]:
    """Export one date into its lake file, record it, and say what was exported."""
    with TemporaryDirectory() as folder:
        parquet = Path(folder) / "day.parquet"
        export = log_reader.export(business_date, parquet)
        metadata = _metadata(export, parquet)
        uri = lake.write_file(TABLE, business_date, SNAPSHOT, parquet)
    # Recorded after the file is in the lake: a crash between the two exports the date again.
    log_reader.record_export(business_date, export)
    return export, metadata | {"uri": dg.MetadataValue.path(uri)}


def _before(business_date: date, dates: Sequence[date]) -> list[date]:
    return [earlier for earlier in dates if earlier < business_date]


def _metadata(export: DayExport, parquet: Path) -> dict[str, dg.MetadataValue]:
    totals = (
        pl.scan_parquet(parquet)
        .group_by("currency", "kind")
        .agg(pl.len().alias("rows"), pl.col("posted_minor", "held_change_minor").sum())
        .sort("currency", "kind")
        .collect()
    )
    return {
        "dagster/row_count": dg.MetadataValue.int(export.row_count),
        "dagster/column_schema": dg.MetadataValue.table_schema(_SCHEMA),
        "is_closed": dg.MetadataValue.bool(export.is_closed),
        "content_sha256": dg.MetadataValue.text(export.content_sha256),
        "totals_minor": dg.MetadataValue.json(totals.to_dicts()),
    }


_SCHEMA: Final = dg.TableSchema(
    columns=[dg.TableColumn(name, type=str(kind)) for name, kind in COLUMNS.items()]
)
