"""Accepted rows of disputes that are in no chargeback file, with the reason and since when.

Belongs here: finding them. Rows that a policy holds are on record; all others follow from where their
file and their batch stand, so nothing has to be recorded for a row to be found.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import polars as pl

from cardops.ports import IntakeLedger, Lake
from cardops.rules.chargebacks.disputes import DisputeKey
from cardops.rules.chargebacks.files import SplitMode
from cardops.rules.chargebacks.filing import BatchAccount, RowKey, WaitingDispute, WaitReason
from cardops.rules.intake.files import ChargebackBatch, FileStatus, IntakeFile
from cardops.services.chargebacks.batch_rows import carried_rows, selected, without

_COLUMNS: Final = (
    *("intake_id", "row_number", "program", "network", "case_number", "stage", "status"),
    *("dispute_amount_minor", "dispute_currency", "reply_by_date", "reply_by_on"),
)
_REASONS: Final = {
    FileStatus.CLAIMED: WaitReason.FILE_UNFINISHED,
    FileStatus.APPLYING: WaitReason.FILE_UNFINISHED,
    FileStatus.HELD: WaitReason.FILE_HELD,
    FileStatus.DEAD: WaitReason.FILE_DEAD,
}


@dataclass(frozen=True, slots=True)
class WaitingDisputes:
    """Finds what waits, and batches whose files can be made now."""

    intake_ledger: IntakeLedger
    lake: Lake

    def rows(self, program: str | None = None) -> list[WaitingDispute]:
        """Every accepted row that is in no file, those that wait longest first. Never cut."""
        found = self._held(program)
        for batch in self.intake_ledger.open_batches(program):
            found += self._of_batch(batch)
        return sorted(found, key=lambda row: (row.since, row.key.intake_id, row.key.row_number))

    def unfiled(self, key: DisputeKey, batch_ids: Collection[str]) -> list[WaitingDispute]:
        """Rows of the dispute that wait for the files of these batches, not for a person."""
        return [
            row
            for batch in self.intake_ledger.open_batches(key.program)
            if batch.batch_id in batch_ids
            for row in self._of_batch(batch, key.case_number)
            if row.network == key.network
        ]

    def batches_to_make(self, program: str | None = None) -> list[ChargebackBatch]:
        """Batches that nothing holds up any more, and of which a slot was not built yet."""
        batches = self.intake_ledger.open_batches(program)
        return [batch for batch in batches if not batch.is_made and is_settled(batch)]

    def missing(self, since: datetime) -> Sequence[BatchAccount]:
        """Made batches of which rows are nowhere, or twice, of those filed since then."""
        return self.intake_ledger.batch_accounts(since)

    def _held(self, program: str | None) -> list[WaitingDispute]:
        held = {row.key: row for row in self.intake_ledger.held_disputes(program)}
        files = sorted({key.intake_id for key in held})
        days = {self.intake_ledger.find(intake_id).business_date for intake_id in files}
        rows = self.lake.scan("chargebacks", sorted(days)) if days else None
        if rows is None:
            return list(held.values())
        for values in _read(selected(rows, list(held))):
            key = RowKey(values["intake_id"], values["row_number"])
            held[key] = _with_money(held[key], values)
        return list(held.values())

    def _of_batch(
        self, batch: ChargebackBatch, case_number: str | None = None
    ) -> list[WaitingDispute]:
        days = sorted({file.business_date for file in batch.files})
        rows = self.lake.scan("chargebacks", days) if days else None
        found = list[WaitingDispute]()
        if rows is not None:
            ids = [file.intake_id for file in batch.files]
            own = rows.filter(pl.col("intake_id").is_in(ids))
            held = self.intake_ledger.waiting_rows_of(batch.batch_id)
            files = {file.intake_id: file for file in batch.files}
            since = self.intake_ledger.ended_at(ids)
            found += [
                _waiting(values, batch, files[values["intake_id"]], since[values["intake_id"]])
                for values in _read(without(own, held), case_number)
                if not _is_in_file(batch, files[values["intake_id"]], values["network"])
            ]
        return found + self._carried(batch, case_number)

    def _carried(self, batch: ChargebackBatch, case_number: str | None) -> list[WaitingDispute]:
        """Rows that were released into the batch, of slots that were not built yet."""
        rows = (
            None if batch.is_made else carried_rows(batch.batch_id, self.lake, self.intake_ledger)
        )
        if rows is None:
            return []
        carried = self.intake_ledger.carried_rows(batch.batch_id)
        released = {row.key: row.released_at for row in carried}
        return [
            _waiting(
                values, batch, None, released[RowKey(values["intake_id"], values["row_number"])]
            )
            for values in _read(rows, case_number)
            if not _is_built(batch, values["network"])
        ]


def is_settled(batch: ChargebackBatch) -> bool:
    """Whether no file of the batch is being ingested."""
    return not batch.unfinished_files


def _read(rows: pl.LazyFrame, case_number: str | None = None) -> list[dict[str, Any]]:
    known = rows.collect_schema().names()
    if case_number is not None:
        rows = rows.filter(pl.col("case_number") == case_number)
    return rows.select(name for name in _COLUMNS if name in known).collect().to_dicts()


def _is_in_file(batch: ChargebackBatch, file: IntakeFile, network: str) -> bool:
    return file.is_filed and _is_built(batch, network)


def _is_built(batch: ChargebackBatch, network: str) -> bool:
    """A size-balanced batch has its rows in any slot, so all four must be built."""
    if batch.mode == SplitMode.SIZE_BALANCED:
        return batch.is_made
    return network in batch.made_slots


def _waiting(
    values: dict[str, Any], batch: ChargebackBatch, file: IntakeFile | None, since: datetime
) -> WaitingDispute:
    status = FileStatus.APPLIED if file is None else file.status
    if file is not None and file.is_filed:
        status = FileStatus.APPLIED
    complete = WaitReason.FILES_NOT_MADE if is_settled(batch) else WaitReason.BATCH_UNFINISHED
    row = WaitingDispute(
        RowKey(values["intake_id"], values["row_number"]),
        values["program"],
        batch.batch_id,
        values["network"],
        values["case_number"],
        values["stage"],
        _REASONS.get(status, complete),
        since,
    )
    return _with_money(row, values)


def _with_money(row: WaitingDispute, values: dict[str, Any]) -> WaitingDispute:
    return replace(
        row,
        status=values["status"],
        amount_minor=values["dispute_amount_minor"],
        currency=values["dispute_currency"],
        reply_by=values["reply_by_date"] or values.get("reply_by_on"),
    )
