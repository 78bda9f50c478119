"""Intake files and chargeback batches as rows, and back.

Belongs here: a batch is claimed with its files and sealed in one commit.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, Final, LiteralString

import psycopg

from cardops.rules.chargebacks.files import FORMAT_VERSION
from cardops.rules.intake.arrivals import released_from
from cardops.rules.intake.files import (
    Arrival,
    BatchMissingError,
    ChargebackBatch,
    FileOutcome,
    FileStatus,
    IntakeFile,
    Kind,
)

# The order in which file_of expects a row's columns.
SELECT: Final = (
    "select intake_id, kind, program, bucket, key, version, content_sha256, size_bytes,"
    " business_date, status, batch_id, outcome, attempt_series, mapping_version, lake_file_id,"
    " is_filed"
    " from intake_files "
)
# Of a row of intake_files: its quarantined rows that were released. A row may have waited, and be released by hand.
RELEASED: Final = (
    "(select count(*) from ("
    " select r.row_number from quarantine_releases as r where r.intake_id = intake_files.intake_id"
    " union"
    " select w.row_number from waiting_rows as w"
    " where w.intake_id = intake_files.intake_id and w.released_to is not null) as released)"
)
_OF_FILES: Final = " from intake_files where intake_id = any(%s)"
SELECT_RELEASED: Final = "select intake_id, " + RELEASED + _OF_FILES
# The order in which batch_of expects a row's columns.
SELECT_BATCH: Final = (
    "select batch_id, program, business_date, mode, line_rule, filed_at, made_slots,"
    " layout_version, layouts from chargeback_batches "
)
# The mapping in force is recorded with the claim; rows released from a file keep that file's.
CLAIM: Final = (
    "insert into intake_files"
    " (kind, program, bucket, key, version, content_sha256, size_bytes, business_date, batch_id,"
    " mapping_version)"
    " select %(kind)s, %(program)s, %(bucket)s, %(key)s, %(version)s, %(content_sha256)s,"
    " %(size_bytes)s, %(business_date)s, %(batch_id)s,"
    " case when origin.intake_id is not null then origin.mapping_version else ("
    " select max(m.version) from file_mappings as m"
    " where m.program = %(program)s and m.kind = %(kind)s"
    " ) end"
    " from (select 1 as claimed) as one_row"
    " left join intake_files as origin on origin.intake_id = %(origin_id)s"
    " and origin.program = %(program)s and origin.kind = %(kind)s"
    " on conflict (bucket, key, content_sha256) do nothing returning intake_id"
)

# Whoever claims many files at once waits for another who does: they may meet the same ones in another order.
_CLAIM_IN_TURN: Final = "select pg_advisory_xact_lock(hashtextextended('claims', 0))"
# The same as CLAIM for many files.
_CLAIM_ALL: LiteralString = (
    "insert into intake_files"
    " (kind, program, bucket, key, version, content_sha256, size_bytes, business_date,"
    " mapping_version)"
    " select a.kind, a.program, a.bucket, a.key, a.version, a.content_sha256, a.size_bytes, %s,"
    " case when origin.intake_id is not null then origin.mapping_version else ("
    " select max(m.version) from file_mappings as m"
    " where m.program = a.program and m.kind = a.kind"
    " ) end"
    " from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],"
    " %s::bigint[], %s::bigint[]) with ordinality"
    " as a (kind, program, bucket, key, version, content_sha256, size_bytes, origin_id, number)"
    " left join intake_files as origin on origin.intake_id = a.origin_id"
    " and origin.program = a.program and origin.kind = a.kind"
    " order by a.number"
    " on conflict (bucket, key, content_sha256) do nothing returning intake_id"
)
_SEEN_AGAIN: Final = (
    "update intake_files as f set version = a.version"
    " from unnest(%s::text[], %s::text[], %s::text[], %s::text[])"
    " as a (bucket, key, content_sha256, version)"
    " where f.bucket = a.bucket and f.key = a.key and f.content_sha256 = a.content_sha256"
    " and f.version <> a.version"
)


def file_of(row: tuple[Any, ...]) -> IntakeFile:
    """The entry in a row of SELECT."""
    *claimed, batch_id, outcome, series, mapping, lake_file_id, is_filed = row
    intake_id, kind, *arrival, business_date, status = claimed
    return IntakeFile(
        intake_id=intake_id,
        arrival=Arrival(Kind(kind), *arrival),
        business_date=business_date,
        status=FileStatus(status),
        batch_id=batch_id,
        outcome=None if outcome is None else _outcome_of(outcome),
        attempt_series=series,
        mapping_version=mapping,
        lake_file_id=lake_file_id,
        is_filed=is_filed,
    )


def claim_file(
    session: psycopg.Connection, arrival: Arrival, business_date: date, batch_id: str | None = None
) -> bool:
    """Insert the file; False where the same content was under that key before."""
    values = {
        **asdict(arrival),
        "kind": arrival.kind,
        "business_date": business_date,
        "batch_id": batch_id,
        "origin_id": released_from(arrival.key),
    }
    return session.execute(CLAIM, values).fetchone() is not None


def claim_files(
    session: psycopg.Connection, arrivals: Sequence[Arrival], business_date: date
) -> list[IntakeFile]:
    """Insert those of the files that are new, in the given order; their entries."""
    if not arrivals:
        return []
    session.execute(_CLAIM_IN_TURN)
    columns = (
        [str(arrival.kind) for arrival in arrivals],
        *(
            [getattr(arrival, name) for arrival in arrivals]
            for name in ("program", "bucket", "key", "version", "content_sha256", "size_bytes")
        ),
        [released_from(arrival.key) for arrival in arrivals],
    )
    claimed = session.execute(_CLAIM_ALL, [business_date, *columns]).fetchall()
    if len(claimed) < len(arrivals):
        # The same content was put there again: record its version, so that it is not read again.
        _, _, bucket, key, version, content_sha256, *_ = columns
        session.execute(_SEEN_AGAIN, [bucket, key, content_sha256, version])
    ids = [intake_id for (intake_id,) in claimed]
    rows = session.execute(SELECT + "where intake_id = any(%s) order by intake_id", [ids])
    return [file_of(row) for row in rows.fetchall()]


def claim_batch(
    session: psycopg.Connection, arrivals: Sequence[Arrival], business_date: date, mode: str
) -> ChargebackBatch | None:
    """A batch of those files that are new, or None. Batches of one program are numbered in turn."""
    if not arrivals:
        return None
    (program,) = {arrival.program for arrival in arrivals}
    batch_id = next_batch_id(session, program, business_date)
    is_new = [claim_file(session, arrival, business_date, batch_id) for arrival in arrivals]
    if not any(is_new):
        return None
    insert_batch(session, batch_id, program, business_date, mode)
    return find_batch(session, batch_id)


def next_batch_id(session: psycopg.Connection, program: str, business_date: date) -> str:
    """The id of the program's next batch of that date; others wait until this transaction ends."""
    session.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"batches/{program}"])
    number = _next_number(session, program, business_date)
    return f"{program}-{business_date.isoformat()}-{number:03d}"


def insert_batch(
    session: psycopg.Connection, batch_id: str, program: str, business_date: date, mode: str
) -> None:
    """A new batch, whose files will have the newest layout."""
    session.execute(
        "insert into chargeback_batches"
        " (batch_id, program, business_date, number, mode, line_rule, layout_version)"
        " values (%s, %s, %s, %s, %s, 'stages', %s)",
        [
            batch_id,
            program,
            business_date,
            int(batch_id.rpartition("-")[2]),
            mode,
            FORMAT_VERSION,
        ],
    )


def find_batch(session: psycopg.Connection, batch_id: str) -> ChargebackBatch:
    """The batch with its files. Raises BatchMissingError."""
    row = session.execute(
        SELECT_BATCH + "where batch_id = %s",
        [batch_id],
    ).fetchone()
    if row is None:
        raise BatchMissingError(batch_id)
    return batch_of(session, row)


def find_batch_mode(session: psycopg.Connection, batch_id: str) -> str:
    """The mode of the batch. Raises BatchMissingError."""
    row = session.execute(
        "select mode from chargeback_batches where batch_id = %s", [batch_id]
    ).fetchone()
    if row is None:
        raise BatchMissingError(batch_id)
    return str(row[0])


def batch_of(session: psycopg.Connection, row: tuple[Any, ...]) -> ChargebackBatch:
    """The batch in a row of SELECT_BATCH, with its files."""
    files = session.execute(SELECT + "where batch_id = %s order by intake_id", [row[0]]).fetchall()
    batch_id, program, business_date, mode, *rest = row
    members = tuple(file_of(file) for file in files)
    return ChargebackBatch(batch_id, program, business_date, mode, members, *rest)


def _next_number(session: psycopg.Connection, program: str, business_date: date) -> int:
    row = session.execute(
        "select coalesce(max(number), 0) + 1 from chargeback_batches"
        " where program = %s and business_date = %s",
        [program, business_date],
    ).fetchone()
    return int(row[0]) if row else 1


def outcome_text(outcome: FileOutcome) -> str:
    """The outcome as it is stored."""
    return json.dumps(asdict(outcome))


def _outcome_of(stored: Mapping[str, Any]) -> FileOutcome:
    return FileOutcome(**{**stored, "unknown_columns": tuple(stored["unknown_columns"])})
