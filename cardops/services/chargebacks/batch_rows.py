"""The rows of a batch's chargeback files, from the lake.

Belongs here: which rows they are. What they look like is in cardops.contracts.lake.chargeback_csv.
"""

from collections.abc import Sequence
from typing import Final

import polars as pl

from cardops.contracts.lake.tables import empty_frame
from cardops.ports import IntakeLedger, Lake
from cardops.rules.chargebacks.filing import RowKey
from cardops.rules.intake.files import ChargebackBatch

_KEY: Final = ["intake_id", "row_number"]


def batch_rows(batch: ChargebackBatch, lake: Lake, ledger: IntakeLedger) -> pl.LazyFrame:
    """Rows of its filed files that are not held, and those of earlier batches released into it."""
    own = without(own_rows(batch, lake), ledger.waiting_rows_of(batch.batch_id))
    carried = carried_rows(batch.batch_id, lake, ledger)
    return own if carried is None else pl.concat([own, carried])


def own_rows(batch: ChargebackBatch, lake: Lake) -> pl.LazyFrame:
    """Every accepted row of the batch's filed files."""
    return rows_of_files(batch, [file.intake_id for file in batch.filed_files], lake)


def rows_of_files(batch: ChargebackBatch, filed: Sequence[int], lake: Lake) -> pl.LazyFrame:
    """Every accepted row of these files of the batch."""
    rows = lake.scan("chargebacks", [batch.business_date]) if filed else None
    if rows is None:
        return empty_frame("chargebacks").lazy()
    # guard-begin: filed-rows-only
    return rows.filter(
        (pl.col("batch_id") == batch.batch_id) & pl.col("intake_id").is_in(filed)
    ).drop("business_date", strict=False)
    # guard-end: filed-rows-only


def carried_rows(batch_id: str, lake: Lake, ledger: IntakeLedger) -> pl.LazyFrame | None:
    """Rows of earlier batches that were released into this one; None where there are none."""
    carried = ledger.carried_rows(batch_id)
    if not carried:
        return None
    days = sorted({row.business_date for row in carried})
    rows = lake.scan("chargebacks", days)
    found = empty_frame("chargebacks").lazy() if rows is None else rows
    return selected(found.drop("business_date", strict=False), [row.key for row in carried])


def selected(rows: pl.LazyFrame, keys: Sequence[RowKey]) -> pl.LazyFrame:
    """Those of the rows that are named."""
    return rows.join(_frame(keys), on=_KEY, how="semi")


def without(rows: pl.LazyFrame, keys: Sequence[RowKey]) -> pl.LazyFrame:
    """Those of the rows that are not named."""
    return rows.join(_frame(keys), on=_KEY, how="anti") if keys else rows


def _frame(keys: Sequence[RowKey]) -> pl.LazyFrame:
    return pl.LazyFrame(
        {
            "intake_id": [key.intake_id for key in keys],
            "row_number": [key.row_number for key in keys],
        },
        schema=dict.fromkeys(_KEY, pl.Int64()),
    )
