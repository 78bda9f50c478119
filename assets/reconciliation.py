"""Reconciliation of a business date: every figure against an independent source of it.

Two assets, made together, so that nobody launches the verdict without the comparison. `reconciliation_breaks`
are recorded, and the daily report shows them. `reconciliation` is the verdict: its checks block the publication of
the marts, which a break would contaminate, and nothing else.
"""

from collections.abc import Iterator
from datetime import date
from typing import Final

import dagster as dg
import polars as pl

from assets.partitions import business_date_of, business_dates, one_date_a_run
from assets.tables import priced_record, records_metadata, totals_metadata
from cardops.ports import (
    Books,
    Clock,
    ExpectedFiles,
    Lake,
    LakeBooks,
    Notifier,
    ObjectStore,
    TransactionLog,
)
from cardops.rules.reconciliation.comparisons import COMPARISONS, Comparison, Unit
from cardops.services.intake.expected_files import ExpectedFileService
from cardops.services.reconciliation.break_alarms import RUNBOOK, tell_of_breaks
from cardops.services.reconciliation.reconciling import (
    Extent,
    ReconciliationService,
    breaks_of,
    recorded_breaks,
)

MAX_BREAKS_SHOWN: Final = 20


class ReconciliationConfig(dg.Config):
    """How much a run compares: what changed, or everything since the beginning."""

    is_full: bool = False


@dg.multi_asset(
    name="reconciling",
    specs=[
        dg.AssetSpec(
            "reconciliation_breaks",
            deps=["balances", "transaction_log", "deposits"],
            description="Breaks of the date, one row each: of an account, an authorization, a file or a log.",
            kinds={"duckdb", "parquet"},
        ),
        dg.AssetSpec(
            "reconciliation",
            deps=["reconciliation_breaks"],
            description=(
                "The verdict on the business date: one check for each comparison, passed where it found no break."
            ),
            kinds={"parquet"},
        ),
    ],
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
)
def reconciling(  # noqa: PLR0913, PLR0917 - Dagster binds each by its type
    context: dg.AssetExecutionContext,
    books: dg.ResourceParam[Books],
    log_reader: dg.ResourceParam[TransactionLog],
    lake: dg.ResourceParam[Lake],
    lake_books: dg.ResourceParam[LakeBooks],
    raw_store: dg.ResourceParam[ObjectStore],
    expected_files: dg.ResourceParam[ExpectedFiles],
    clock: dg.ResourceParam[Clock],
    config: ReconciliationConfig,
) -> Iterator[dg.MaterializeResult[None]]:
    """Compare the books, and record the breaks.

    What changed since the last date without a break is compared; once a week, and with
    `cardops reconcile --full`, everything.
    """
    due_files = ExpectedFileService(expected_files, clock)
    service = ReconciliationService(books, lake, lake_books, log_reader, raw_store, due_files)
    found, uri = service.reconcile_closed(
        business_date_of(context),
        Extent.ALL if config.is_full else Extent.CHANGES,
    )
    yield dg.MaterializeResult(
        "reconciliation_breaks",
        metadata={
            "dagster/row_count": found.breaks.height,
            "accounts": found.account_count,
            "compared_from": str(found.since) if found.since else "the beginning",
            "raw_files_recounted": found.recounted_files,
            **totals_metadata(found.totals.to_dicts()),
            "breaks": _first(found.breaks),
            "uri": dg.MetadataValue.path(uri),
        },
    )
    yield dg.MaterializeResult(
        "reconciliation",
        metadata={"business_date": context.partition_key, "breaks": found.breaks.height},
    )


@dg.multi_asset_check(
    name="verdict_of_reconciliation",
    specs=[
        dg.AssetCheckSpec(comparison.check, asset="reconciliation", blocking=True)
        for comparison in COMPARISONS
    ],
)
def verdict(
    context: dg.AssetCheckExecutionContext,
    lake: dg.ResourceParam[Lake],
    notifier: dg.ResourceParam[Notifier],
) -> Iterator[dg.AssetCheckResult]:
    """One check for each comparison, in a step of its own: a failed one stops what needs the verdict alone.

    Breaks are an alarm of their own: a failed run names no account.
    """
    business_date = date.fromisoformat(context.partition_key)
    breaks = recorded_breaks(business_date, lake)
    tell_of_breaks(business_date, breaks, notifier)
    for comparison in COMPARISONS:
        yield _verdict(comparison, breaks_of(comparison, breaks), context.partition_key)


def _verdict(
    comparison: Comparison, breaks: pl.DataFrame, business_date: str
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=comparison.check,
        passed=breaks.is_empty(),
        metadata={
            "business_date": business_date,
            "breaks": breaks.height,
            "first_breaks": _first(breaks),
            "runbook": RUNBOOK,
        },
    )


def _first(breaks: pl.DataFrame) -> dg.TableMetadataValue:
    """The first breaks: money in the currency's own digits, and counts as they are."""
    return records_metadata(
        [
            {**priced_record(row, is_money=is_money), "unit": "money" if is_money else row["unit"]}
            for row in breaks.head(MAX_BREAKS_SHOWN).to_dicts()
            for is_money in [row["unit"] == Unit.MINOR]
        ],
        "user_id",
    )
