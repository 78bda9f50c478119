"""Deposit files of the intake ledger, found by what a person knows of one."""

from typing import Final

import psycopg

from cardops.adapters.postgresql.intake.rows import SELECT, file_of
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.intake.files import IntakeFile

_WHERE: Final = (
    "where kind = 'deposits'"
    " and (intake_id = %(intake_id)s or key = %(key)s or content_sha256 = %(content_sha256)s)"
    " and program = coalesce(%(program)s, program) order by intake_id"
)


def deposit_files(
    url: str,
    *,
    intake_id: int | None = None,
    key: str | None = None,
    content_sha256: str | None = None,
    program: str | None = None,
) -> list[IntakeFile]:
    """Deposit files of this number, key or content, oldest first, of this program alone if given."""
    asked = {
        "intake_id": intake_id,
        "key": key,
        "content_sha256": content_sha256,
        "program": program,
    }

    def select(session: psycopg.Connection) -> list[IntakeFile]:
        return [file_of(row) for row in session.execute(SELECT + _WHERE, asked).fetchall()]

    return run_in_transaction(url, select)
