"""Reconciliation of a business date: every figure by two roads, and what does not meet.

Two assets. `reconciliation_breaks` finds the breaks and keeps them, whatever they are, so that
the daily report can show them. `reconciliation` is the verdict: its checks block what a break
would contaminate, which is the publication of the marts, and nothing else.
"""

from datetime import date
from typing import Final

import dagster as dg
import polars as pl

from assets.balances import markdown_table
from assets.partitions import business_dates, one_date_a_run
from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    breaks_in,
    join_frames,
    store_sides,
    totals_by_currency,
)
from cardops.contracts.lake.tables import RECONCILIATION_BREAKS
from cardops.ports import Books, Lake, TransactionLog
from cardops.rules.reconciliation import (
    COMPARISONS,
    LAKE_COMPARISONS,
    STORE_COMPARISONS,
    Comparison,
)
from cardops.services.reconciliation.lake_sources import (
    LakeIncompleteError,
    differing_accounts,
    exported_dates,
    file_breaks,
)

SNAPSHOT: Final = "snapshot"
MAX_BREAKS_SHOWN: Final = 20
RUNBOOK: Final = "docs/runbooks/reconciliation-breaks.md"


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
    deps=["balances", "transaction_log", "deposits"],
    kinds={"duckdb", "parquet"},
)
def reconciliation_breaks(
    context: dg.AssetExecutionContext,
    books: dg.ResourceParam[Books],
    log_reader: dg.ResourceParam[TransactionLog],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[None]:
    """One row a break, of an account or of a deposit file, as found by every pair of roads."""
    business_date = date.fromisoformat(context.partition_key)
    _require_exports(log_reader, lake, business_date)
    accounts = join_frames(books.accounts(business_date), BOOKS_COLUMNS)
    breaks = pl.concat(
        [
            breaks_in(store_sides(accounts), STORE_COMPARISONS),
            breaks_in(differing_accounts(lake, business_date), LAKE_COMPARISONS),
            file_breaks(books, lake, business_date),
        ]
    )
    uri = lake.write("reconciliation_breaks", business_date, SNAPSHOT, breaks)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": breaks.height,
            "accounts": accounts.height,
            "totals_minor": dg.MetadataValue.json(totals_by_currency(accounts).to_dicts()),
            "breaks": dg.MetadataValue.md(markdown_table(breaks.head(MAX_BREAKS_SHOWN))),
            "uri": dg.MetadataValue.path(uri),
        }
    )


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
    deps=[reconciliation_breaks],
    check_specs=[
        dg.AssetCheckSpec(comparison.check, asset="reconciliation", blocking=True)
        for comparison in COMPARISONS
    ],
    kinds={"parquet"},
)
def reconciliation(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    """The verdict on the business date: one check for each pair of roads, passed where no break is."""
    business_date = date.fromisoformat(context.partition_key)
    breaks = breaks_on(lake, business_date)
    return dg.MaterializeResult(
        metadata={"business_date": str(business_date), "breaks": breaks.height},
        check_results=[_verdict(breaks, one, business_date) for one in COMPARISONS],
    )


def breaks_on(lake: Lake, business_date: date) -> pl.DataFrame:
    """The breaks of that date as they were found. Raises dg.Failure where nobody looked."""
    rows = lake.scan("reconciliation_breaks", [business_date])
    if rows is None:
        raise dg.Failure(
            f"Nobody looked for breaks on {business_date}; materialize `reconciliation_breaks`."
        )
    return rows.select(RECONCILIATION_BREAKS.names()).collect()


def _require_exports(log_reader: TransactionLog, lake: Lake, business_date: date) -> None:
    """Raises LakeIncompleteError where something happened on a date that has no export."""
    busy = {day for day in log_reader.busy_dates() if day <= business_date}
    missing = sorted(busy - exported_dates(lake))
    if missing:
        raise LakeIncompleteError(
            f"Money moved on {', '.join(map(str, missing))} but the lake has no transaction log "
            "of it, so the books cannot be compared; materialize `transaction_log` first."
        )


def _verdict(breaks: pl.DataFrame, comparison: Comparison, day: date) -> dg.AssetCheckResult:
    mine = breaks.filter(
        (pl.col("side_a") == comparison.side_a.value)
        & (pl.col("side_b") == comparison.side_b.value)
    )
    return dg.AssetCheckResult(
        check_name=comparison.check,
        passed=mine.is_empty(),
        metadata={
            "business_date": str(day),
            "breaks": mine.height,
            "first_breaks": dg.MetadataValue.md(markdown_table(mine.head(MAX_BREAKS_SHOWN))),
            "runbook": RUNBOOK,
        },
    )
