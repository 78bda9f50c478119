"""Chargeback files as they stand, with what their card companies answered: one snapshot a business date."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from cardops.contracts.lake.tables import FILE_DELIVERIES, SNAPSHOT
from cardops.ports import Acknowledgements, DeliveryLedger, Lake
from cardops.rules.deliveries.acknowledgements import (
    AcknowledgementOutcome,
    StoredAcknowledgement,
    Verdict,
)
from cardops.rules.deliveries.records import ChargebackFileRecord


def snapshot_deliveries(
    deliveries: DeliveryLedger, acknowledgements: Acknowledgements, lake: Lake, business_date: date
) -> pl.DataFrame:
    """Write every chargeback file and its state; the rows that were written.

    The rows are those of now: made again for an earlier date, they say what is known today.
    """
    records = deliveries.all()
    batches = sorted({record.batch_id for record in records})
    # The first acknowledgement that fits its file stands.
    answers = {
        (stored.batch_id, stored.network): stored
        for stored in acknowledgements.of_batches(batches)
        if stored.outcome is AcknowledgementOutcome.MATCHED
    }
    first = datetime.combine(business_date, time(), UTC)
    missing = {
        (rows.batch_id, rows.network)
        for rows in acknowledgements.verdicts(first, first + timedelta(days=1))
        if rows.verdict is Verdict.MISSING
    }
    found = list[Mapping[str, object]]()
    for record in sorted(records, key=lambda record: (record.batch_id, record.network)):
        key = record.batch_id, record.network
        found.append(_row_of(record, answers.get(key), is_missing=key in missing))
    frame = pl.DataFrame(found, schema=FILE_DELIVERIES)
    lake.write("file_deliveries", business_date, SNAPSHOT, frame)
    return frame


def _row_of(
    record: ChargebackFileRecord, answer: StoredAcknowledgement | None, *, is_missing: bool
) -> Mapping[str, object]:
    return {
        "program": record.program,
        "batch_id": record.batch_id,
        "network": record.network,
        "destination": record.destination,
        "file_name": record.file_name,
        "sequence": record.sequence,
        "row_count": record.row_count,
        "state": record.state.value,
        "content_sha256": record.content_sha256,
        "sent_sha256": record.encrypted_sha256 or record.content_sha256,
        "attempt_count": record.attempt_count,
        "made_at": record.made_at,
        "delivered_at": record.delivered_at,
        "counts_on": record.counts_on,
        "acknowledgement": _acknowledgement(answer, is_missing=is_missing),
        "accepted_count": answer and answer.accepted_count,
        "rejected_count": answer and answer.rejected_count,
        "acknowledged_at": answer and answer.read_at,
    }


def _acknowledgement(answer: StoredAcknowledgement | None, *, is_missing: bool) -> str:
    if answer is None:
        return "missing" if is_missing else "none"
    if not answer.rejected_count:
        return "accepted"
    return "partly_rejected" if answer.accepted_count else "rejected"
