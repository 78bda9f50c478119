"""Chargeback files whose acknowledgements were read on a business date, or are missing, for the marts."""

from dataclasses import asdict
from datetime import UTC, datetime, time, timedelta
from typing import Final

import dagster as dg
import polars as pl

from assets.partitions import business_date_of, business_dates, one_date_a_run
from assets.tables import records_metadata
from cardops.contracts.lake.tables import ACKNOWLEDGED_FILES, SNAPSHOT
from cardops.ports import Acknowledgements, DeliveryLedger, Lake
from cardops.rules.deliveries.acknowledgements import RUNBOOK, Verdict

MAX_ROWS_SHOWN: Final = 20
ADDS_UP: Final = "every_row_of_an_acknowledged_file_is_accepted_or_rejected"
NONE_MISSING: Final = "no_chargeback_file_lacks_its_acknowledgement"


@dg.asset(
    partitions_def=business_dates,
    backfill_policy=one_date_a_run,
    group_name="control",
    deps=["acknowledgements"],
    check_specs=[
        dg.AssetCheckSpec(name, asset="acknowledged_files") for name in (ADDS_UP, NONE_MISSING)
    ],
    kinds={"postgres", "parquet"},
)
def acknowledged_files(
    context: dg.AssetExecutionContext,
    acknowledgement_ledger: dg.ResourceParam[Acknowledgements],
    delivery_ledger: dg.ResourceParam[DeliveryLedger],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult:  # type: ignore[type-arg] # with checks Dagster takes no generic
    """Rows accepted, rejected by reason, and of files without an acknowledgement, by chargeback file."""
    day = business_date_of(context)
    first = datetime.combine(day, time(), UTC)
    rows = acknowledgement_ledger.verdicts(first, first + timedelta(days=1))
    frame = pl.DataFrame([asdict(row) for row in rows], schema=ACKNOWLEDGED_FILES)
    lake.write("acknowledged_files", day, SNAPSHOT, frame)
    answered = frame.filter(pl.col("verdict") != Verdict.MISSING)
    missing = frame.filter(pl.col("verdict") == Verdict.MISSING)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": frame.height,
            "rows": dg.MetadataValue.json(_row_counts(frame)),
        },
        check_results=[
            _verdict(ADDS_UP, _differing(answered, delivery_ledger)),
            _verdict(NONE_MISSING, missing.select("file_name", "row_count").to_dicts()),
        ],
    )


def _row_counts(frame: pl.DataFrame) -> dict[str, int]:
    counted = frame.group_by("verdict").agg(pl.col("row_count").sum()).sort("verdict")
    return dict(counted.iter_rows())


def _differing(answered: pl.DataFrame, ledger: DeliveryLedger) -> list[dict[str, object]]:
    """Files whose acknowledged rows are not as many as the ledger of deliveries has."""
    counted = answered.group_by("batch_id", "network").agg(pl.col("row_count").sum())
    found = list[dict[str, object]]()
    for batch_id, network, row_count in counted.sort("batch_id", "network").iter_rows():
        record = ledger.find(batch_id, network)
        if record is None or record.row_count != row_count:
            name = record.file_name if record else f"{batch_id} {network}"
            found.append({"file_name": name, "row_count": row_count})
    return found


def _verdict(name: str, files: list[dict[str, object]]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=not files,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "files": len(files),
            "first_files": records_metadata(files[:MAX_ROWS_SHOWN], "file_name"),
            "runbook": RUNBOOK,
        },
    )
