"""What operators recorded about disputes, as the lake has it: one snapshot a business date."""

from datetime import date

import polars as pl

from cardops.contracts.lake.tables import DISPUTE_RECORDS, SNAPSHOT
from cardops.ports import DisputeRecords, Lake
from cardops.rules.chargebacks.queue import RecordKind, owner_of


def snapshot_records(records: DisputeRecords, lake: Lake, business_date: date) -> pl.DataFrame:
    """Write the owner of each dispute and what was decided last; the rows that were written.

    The rows are those of now: made again for an earlier date, they say what is known today.
    """
    rows = dict[tuple[str, str, str], dict[str, object]]()
    for record in records.standing():
        key = record.request.opening.dispute
        dispute = (key.program, key.network, key.case_number)
        row = rows.setdefault(
            dispute, dict(zip(("program", "network", "case_number"), dispute, strict=True))
        )
        if record.kind is RecordKind.ASSIGN:
            row["owner"] = owner_of([record])
        elif record.kind is not RecordKind.REOPEN:
            row["decision"] = str(record.kind)
            row["stage"] = record.request.opening.stage
            row["opening_number"] = record.request.opening.number
    frame = pl.DataFrame([rows[dispute] for dispute in sorted(rows)], schema=DISPUTE_RECORDS)
    lake.write("dispute_records", business_date, SNAPSHOT, frame)
    return frame
