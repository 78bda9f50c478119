"""Accepted rows of disputes that are in no chargeback file: the nightly sweep over every batch."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import dagster as dg
import polars as pl

from assets.column_lineage import lineage_of_rows
from assets.partitions import business_date_of, business_dates, one_date_a_run
from assets.tables import table_metadata
from cardops.contracts.lake.tables import SNAPSHOT, WAITING_DISPUTES
from cardops.ports import Clock, IntakeLedger, Lake, Notifier
from cardops.rules.chargebacks.filing import WaitingDispute
from cardops.services.chargebacks.sweep import RUNBOOK, sweep
from cardops.services.chargebacks.waiting_disputes import WaitingDisputes

EVERY_ROW: Final = "every_accepted_dispute_is_in_a_file_or_waits"
NONE_STUCK: Final = "no_dispute_waits_for_its_file_too_long"
MAX_SHOWN: Final = 20


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
    # A sweep over every batch, whatever its date.
    deps=[dg.AssetDep("chargebacks", partition_mapping=dg.AllPartitionMapping())],
    check_specs=[
        dg.AssetCheckSpec(EVERY_ROW, asset="waiting_disputes"),
        dg.AssetCheckSpec(NONE_STUCK, asset="waiting_disputes"),
    ],
    kinds={"parquet"},
)
def waiting_disputes(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    intake_ledger: dg.ResourceParam[IntakeLedger],
    notifier: dg.ResourceParam[Notifier],
    clock: dg.ResourceParam[Clock],
) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    """Accepted rows of disputes that are in no chargeback file yet, with the reason and since when."""
    found = sweep(WaitingDisputes(intake_ledger, lake), notifier, clock.now())
    rows = waiting_frame(found.waiting)
    lake.write("waiting_disputes", business_date_of(context), SNAPSHOT, rows)
    reasons = Counter(str(row.reason) for row in found.waiting)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows.height,
            "reasons": dg.MetadataValue.json(dict(reasons)),
            **lineage_of_rows("waiting_disputes"),
            "longest": table_metadata(rows.head(MAX_SHOWN).to_pandas()),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=EVERY_ROW,
                passed=not found.missing,
                metadata={
                    "batches": dg.MetadataValue.json([asdict(found) for found in found.missing]),
                    "runbook": RUNBOOK,
                },
            ),
            dg.AssetCheckResult(
                check_name=NONE_STUCK,
                passed=not found.stuck,
                metadata={"rows": len(found.stuck), "runbook": RUNBOOK},
            ),
        ],
    )


def waiting_frame(rows: Sequence[WaitingDispute]) -> pl.DataFrame:
    """The rows as the lake's table has them."""
    records = [
        {
            "program": row.program,
            "batch_id": row.batch_id,
            "network": row.network,
            "case_number": row.case_number,
            "stage": row.stage,
            "status": row.status,
            "reason": str(row.reason),
            "dispute_amount_minor": row.amount_minor,
            "dispute_currency": row.currency,
            "reply_by_on": row.reply_by,
            "waiting_since": row.since,
            "intake_id": row.key.intake_id,
            "row_number": row.key.row_number,
        }
        for row in rows
    ]
    return pl.DataFrame(records, schema=WAITING_DISPUTES)
