"""Files of the intake ledger that left something for a person to look at."""

from typing import Final

import psycopg

from cardops.adapters.postgresql.intake.rows import SELECT, file_of
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.intake.files import IntakeFile

MAX_FILES: Final = 1_000


def files_set_aside(url: str, program: str | None = None) -> list[IntakeFile]:
    """Files with quarantined rows, refused or dead, newest first, at most MAX_FILES."""
    return run_in_transaction(url, lambda session: _select(session, program))


def _select(session: psycopg.Connection, program: str | None) -> list[IntakeFile]:
    rows = session.execute(
        SELECT + "where (status in ('refused', 'dead') or (outcome ->> 'quarantined')::bigint > 0)"
        " and program = coalesce(%s, program) order by intake_id desc limit %s",
        [program, MAX_FILES],
    ).fetchall()
    return [file_of(row) for row in rows]
