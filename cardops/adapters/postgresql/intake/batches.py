"""Chargeback batches in PostgreSQL: their files claimed and the batch sealed in one commit."""

from collections.abc import Sequence
from datetime import date

import psycopg

from cardops.adapters.postgresql.intake.rows import SELECT, claim_file, file_of
from cardops.rules.intake.files import Arrival, BatchMissingError, ChargebackBatch


def claim_batch(
    session: psycopg.Connection, arrivals: Sequence[Arrival], business_date: date, mode: str
) -> ChargebackBatch | None:
    """The new batch of those files that are new, or None. One program at a time is numbered."""
    if not arrivals:
        return None
    (program,) = {arrival.program for arrival in arrivals}
    session.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"batches/{program}"])
    number = _next_number(session, program, business_date)
    batch_id = f"{program}-{business_date.isoformat()}-{number:03d}"
    is_new = [claim_file(session, arrival, business_date, batch_id) for arrival in arrivals]
    if not any(is_new):
        return None
    session.execute(
        "insert into chargeback_batches (batch_id, program, business_date, number, mode)"
        " values (%s, %s, %s, %s, %s)",
        [batch_id, program, business_date, number, mode],
    )
    return find_batch(session, batch_id)


def find_batch(session: psycopg.Connection, batch_id: str) -> ChargebackBatch:
    """The batch with its files. Raises BatchMissingError."""
    row = session.execute(
        "select batch_id, program, business_date, mode from chargeback_batches where batch_id = %s",
        [batch_id],
    ).fetchone()
    if row is None:
        raise BatchMissingError(batch_id)
    files = session.execute(
        SELECT + "where batch_id = %s order by intake_id", [batch_id]
    ).fetchall()
    values = (*row, tuple(file_of(file) for file in files))
    return ChargebackBatch(*values)


def _next_number(session: psycopg.Connection, program: str, business_date: date) -> int:
    row = session.execute(
        "select coalesce(max(number), 0) + 1 from chargeback_batches"
        " where program = %s and business_date = %s",
        [program, business_date],
    ).fetchone()
    return int(row[0]) if row else 1
