"""Decide once which rows a batch's chargeback files have, and what fills what they lack.

Belongs here: what is looked up in the lake, and the order: it is stored before the batch is filed, so a
run that dies in between leaves nothing that anybody relies on.
"""

from dataclasses import dataclass

import polars as pl

from cardops.contracts.lake.supplements import TABLE, supplements
from cardops.ports import IntakeLedger, Lake
from cardops.rules.chargebacks.filing import BatchUnfinishedError
from cardops.rules.intake.files import ChargebackBatch, FileStatus
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
            if batch.layout_version > 1:
                self._store_supplements(batch, applied)
            return self.intake_ledger.file_batch(batch_id, applied)

    def _store_supplements(self, batch: ChargebackBatch, applied: list[int]) -> None:
        rows = rows_of_files(batch, applied, self.lake)
        carried = carried_rows(batch.batch_id, self.lake, self.intake_ledger)
        together = rows if carried is None else pl.concat([rows, carried])
        found = supplements(
            together.with_columns(batch_id=pl.lit(batch.batch_id)),
            self._program_rows("transactions", batch.program),
            self._program_rows("chargebacks", batch.program),
        )
        self.lake.write(TABLE, batch.business_date, batch.batch_id, found)

    def _program_rows(self, table: str, program: str) -> pl.LazyFrame | None:
        rows = self.lake.scan(table)
        return None if rows is None else rows.filter(pl.col("program") == program)
