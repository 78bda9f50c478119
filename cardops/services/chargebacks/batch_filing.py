"""Decide once which rows a batch's chargeback files have, and what fills what they lack.

Belongs here: what is looked up in the lake, and the order: it is stored before the batch is filed, so a
run that dies in between leaves nothing that anybody relies on.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from cardops.contracts.lake.chargeback_csv import with_outcome
from cardops.contracts.lake.supplements import TABLE, supplements, with_supplements
from cardops.ports import IntakeLedger, Lake
from cardops.rules.chargebacks.filing import (
    CHECKED_FLAGS,
    BatchUnfinishedError,
    DisputePolicy,
    RowKey,
    WaitingDispute,
)
from cardops.rules.intake.files import ChargebackBatch, FileStatus, IntakeFile, RowFlag
from cardops.services.chargebacks.batch_rows import carried_rows, rows_of_files


@dataclass(frozen=True, slots=True)
class BatchFiling:
    """Files batches; everything it needs is a port."""

    lake: Lake
    intake_ledger: IntakeLedger

    def file(self, batch_id: str) -> ChargebackBatch:
        """The batch, filed now unless it was before. Raises BatchUnfinishedError."""
        with self.intake_ledger.filing(batch_id):
            batch = self.intake_ledger.batch(batch_id)
            if batch.filed_at is not None:
                return batch
            if batch.unfinished_files:
                keys = [file.arrival.key for file in batch.unfinished_files]
                raise BatchUnfinishedError(batch_id, keys)
            applied = [file.intake_id for file in batch.files if file.status is FileStatus.APPLIED]
            if batch.layout_version == 1:
                return self.intake_ledger.file_batch(batch_id, applied)
            return self.intake_ledger.file_batch(
                batch_id,
                applied,
                held=self._held(batch, applied),
                layouts=self.intake_ledger.layouts_in_force(batch.program),
            )

    def _held(self, batch: ChargebackBatch, applied: list[int]) -> Sequence[WaitingDispute]:
        """Store what the lake knows of the rows; those that the program's policy holds."""
        rows = rows_of_files(batch, applied, self.lake)
        carried = carried_rows(batch.batch_id, self.lake, self.intake_ledger)
        together = rows if carried is None else pl.concat([rows, carried])
        found = supplements(
            together.with_columns(batch_id=pl.lit(batch.batch_id)),
            self._program_rows("transactions", batch.program),
            self._program_rows("chargebacks", batch.program),
        )
        self.lake.write(TABLE, batch.business_date, batch.batch_id, found)
        policies = self.intake_ledger.dispute_policies(batch.program)
        held = [flag for flag in CHECKED_FLAGS if policies.get(flag) == DisputePolicy.HOLD]
        if not held:
            return []
        flagged = _flagged_rows(with_supplements(rows, found.lazy()), held)
        return _held_rows(flagged, self._released(batch.program, flagged), batch)

    def _released(self, program: str, flagged: pl.DataFrame) -> set[tuple[str, str, str]]:
        """Network, case and reason of what a person released before: it is not held for it again."""
        cases = flagged["case_number"].unique().to_list()
        releases = self.intake_ledger.dispute_releases(program, cases) if cases else []
        return {(release.network, release.case_number, release.reason) for release in releases}

    def _program_rows(self, table: str, program: str) -> pl.LazyFrame | None:
        rows = self.lake.scan(table)
        return None if rows is None else rows.filter(pl.col("program") == program)


def _flagged_rows(rows: pl.LazyFrame, flags: Sequence[RowFlag]) -> pl.DataFrame:
    """Rows with `reasons`, those of these flags that they have, whose dispute is open.

    What ended asks for nothing any more.
    """
    reasons = pl.concat_list(
        pl.when(pl.col("flags").list.contains(str(flag))).then(pl.lit(str(flag))) for flag in flags
    ).list.drop_nulls()
    found = (
        with_outcome(rows)
        .filter(pl.col("outcome").is_null())
        .select("intake_id", "row_number", "network", "case_number", "stage", reasons=reasons)
        .filter(pl.col("reasons").list.len() > 0)
    )
    return found.sort("intake_id", "row_number").collect()


def _held_rows(
    flagged: pl.DataFrame, released: AbstractSet[tuple[str, str, str]], batch: ChargebackBatch
) -> list[WaitingDispute]:
    """Each row that has a reason for which nobody released its dispute waits for the first of them."""
    now = datetime.now(UTC)
    held = list[WaitingDispute]()
    for row in flagged.iter_rows(named=True):
        case = (row["network"], row["case_number"])
        reasons = [reason for reason in row["reasons"] if (*case, reason) not in released]
        if reasons:
            key = RowKey(row["intake_id"], row["row_number"])
            held.append(
                WaitingDispute(
                    key, batch.program, batch.batch_id, *case, row["stage"], reasons[0], now
                )
            )
    return held


def flags_found_by_filing(lake: Lake, file: IntakeFile) -> Mapping[str, int]:
    """Flag -> rows of the file that have it by what was known at filing, and had it not at intake."""
    found = lake.scan(TABLE, [file.business_date])
    rows = lake.scan("chargebacks", [file.business_date])
    if found is None or rows is None:
        return {}
    own = pl.col("intake_id") == file.intake_id
    before = rows.filter(own).select("row_number", pl.col("flags").alias("own flags"))
    added = (
        found.filter(own & (pl.col("batch_id") == file.batch_id))
        .join(before, on="row_number", how="inner")
        .select(flag=pl.col("flags").list.set_difference("own flags"))
        .explode("flag")
        .drop_nulls()
    )
    counts = added.group_by("flag").agg(pl.len()).sort("flag").collect()
    return dict(counts.iter_rows())
