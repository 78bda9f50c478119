"""Closing balances: every account as it stood at the end of a business date, in the lake."""

from datetime import date
from typing import Final

import dagster as dg
import polars as pl

from assets.partitions import business_dates, one_date_a_run
from cardops.contracts.lake.reconciliation import (
    BOOKS_COLUMNS,
    closing_balances,
    join_frames,
    totals_by_currency,
)
from cardops.ports import Books, Lake
from cardops.services.reconciliation.lake_sources import BALANCES_NAME

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
    """Closing balance of each account on the business date, as one snapshot of the store has it."""
    business_date = date.fromisoformat(context.partition_key)
    accounts = join_frames(books.accounts(business_date), BOOKS_COLUMNS)
    closing = closing_balances(accounts)
    uri = lake.write("balances", business_date, BALANCES_NAME, closing)
    return dg.MaterializeResult(metadata=_metadata(closing, totals_by_currency(accounts), uri))


def _metadata(closing: pl.DataFrame, totals: pl.DataFrame, uri: str) -> dict[str, dg.MetadataValue]:
    return {
        "dagster/row_count": dg.MetadataValue.int(closing.height),
        "accounts_below_zero": dg.MetadataValue.int(
            closing.filter(pl.col("available_minor") < 0).height
        ),
        "totals_minor": dg.MetadataValue.json(totals.to_dicts()),
        "preview": dg.MetadataValue.md(markdown_table(closing.head(PREVIEW_ROWS))),
        "uri": dg.MetadataValue.path(uri),
    }


def markdown_table(frame: pl.DataFrame) -> str:
    """The frame as a Markdown table, for metadata."""
    head = " | ".join(frame.columns)
    rule = " | ".join("---" for _ in frame.columns)
    rows = [" | ".join(str(value) for value in row) for row in frame.rows()]
    return "\n".join(f"| {line} |" for line in (head, rule, *rows))
