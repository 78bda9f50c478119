"""Intake files and batches as rows, and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, Final

import psycopg

from cardops.rules.intake.files import Arrival, FileOutcome, FileStatus, IntakeFile, Kind

# In this order file_of expects a row.
SELECT: Final = (
    "select intake_id, kind, program, bucket, key, version, content_sha256, size_bytes,"
    " business_date, status, batch_id, outcome from intake_files "
)
CLAIM: Final = (
    "insert into intake_files"
    " (kind, program, bucket, key, version, content_sha256, size_bytes, business_date, batch_id)"
    " values (%(kind)s, %(program)s, %(bucket)s, %(key)s, %(version)s, %(content_sha256)s,"
    " %(size_bytes)s, %(business_date)s, %(batch_id)s)"
    " on conflict (bucket, key, content_sha256) do nothing returning intake_id"
)


def file_of(row: tuple[Any, ...]) -> IntakeFile:
    """The entry that a row of SELECT holds."""
    intake_id, kind, *arrival, business_date, status, batch_id, outcome = row
    return IntakeFile(
        intake_id=intake_id,
        arrival=Arrival(Kind(kind), *arrival),
        business_date=business_date,
        status=FileStatus(status),
        batch_id=batch_id,
        outcome=None if outcome is None else _outcome_of(outcome),
    )


def claim_file(
    session: psycopg.Connection, arrival: Arrival, business_date: date, batch_id: str | None = None
) -> bool:
    """Enter the file; False where the same content was at that place before."""
    values = {
        **asdict(arrival),
        "kind": arrival.kind,
        "business_date": business_date,
        "batch_id": batch_id,
    }
    return session.execute(CLAIM, values).fetchone() is not None


def outcome_text(outcome: FileOutcome) -> str:
    """The outcome as it is stored."""
    return json.dumps(asdict(outcome))


def _outcome_of(stored: Mapping[str, Any]) -> FileOutcome:
    return FileOutcome(**{**stored, "unknown_columns": tuple(stored["unknown_columns"])})
