"""Reconciliation of a business date: every figure against an independent source of it.

Two assets. `reconciliation_breaks` finds the breaks and records them, so that the daily report can
show them. `reconciliation` is the verdict: its checks block the publication of the marts, which a
break would contaminate, and nothing else.
"""

from datetime import date
from typing import Final

import dagster as dg
import polars as pl

from assets.partitions import business_dates, one_date_a_run
from assets.tables import table_metadata
from cardops.ports import (
    Books,
    Clock,
    ExpectedFiles,
    Lake,
    LakeBooks,
    ObjectStore,
    TransactionLog,
)
from cardops.rules.reconciliation.comparisons import COMPARISONS, Comparison
from cardops.services.intake.expected_files import ExpectedFileService
from cardops.services.reconciliation.reconciling import (
    Extent,
    ReconciliationService,
    breaks_of,
    recorded_breaks,
)

MAX_BREAKS_SHOWN: Final = 20
RUNBOOK: Final = "docs/runbooks/reconciliation-breaks.md"


class ReconciliationConfig(dg.Config):
    """How much a run compares: what changed, or everything since the beginning."""

    is_full: bool = False


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
    deps=["balances", "transaction_log", "deposits"],
    kinds={"duckdb", "parquet"},
)
def reconciliation_breaks(  # noqa: PLR0913, PLR0917 - Dagster binds each by its type
    context: dg.AssetExecutionContext,
    books: dg.ResourceParam[Books],
    log_reader: dg.ResourceParam[TransactionLog],
    lake: dg.ResourceParam[Lake],
    lake_books: dg.ResourceParam[LakeBooks],
    raw_store: dg.ResourceParam[ObjectStore],
    expected_files: dg.ResourceParam[ExpectedFiles],
    clock: dg.ResourceParam[Clock],
    config: ReconciliationConfig,
) -> dg.MaterializeResult[None]:
    """Breaks of the date, one row each: of an account, an authorization, a file or a log.

    What changed since the last date without a break is compared; once a week, and with
    `cardops reconcile --full`, everything.
    """
    due_files = ExpectedFileService(expected_files, clock)
    service = ReconciliationService(books, lake, lake_books, log_reader, raw_store, due_files)
    found, uri = service.reconcile_closed(
        date.fromisoformat(context.partition_key),
        Extent.ALL if config.is_full else Extent.CHANGES,
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": found.breaks.height,
            "accounts": found.account_count,
            "compared_from": str(found.since) if found.since else "the beginning",
            "raw_files_recounted": found.recounted_files,
            "totals_minor": dg.MetadataValue.json(found.totals.to_dicts()),
            "breaks": table_metadata(found.breaks.head(MAX_BREAKS_SHOWN).to_pandas()),
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
    """The verdict on the business date: one check for each comparison, passed where it found no break."""
    breaks = recorded_breaks(date.fromisoformat(context.partition_key), lake)
    return dg.MaterializeResult(
        metadata={"business_date": context.partition_key, "breaks": breaks.height},
        check_results=[
            _verdict(comparison, breaks_of(comparison, breaks), context.partition_key)
            for comparison in COMPARISONS
        ],
    )


def _verdict(
    comparison: Comparison, breaks: pl.DataFrame, business_date: str
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=comparison.check,
        passed=breaks.is_empty(),
        metadata={
            "business_date": business_date,
            "breaks": breaks.height,
            "first_breaks": table_metadata(breaks.head(MAX_BREAKS_SHOWN).to_pandas()),
            "runbook": RUNBOOK,
        },
    )
