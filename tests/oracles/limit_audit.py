"""Spending limits on PostgreSQL whose audit rows a test can read."""

from collections.abc import Mapping, Sequence
from typing import Final

from psycopg.rows import dict_row

from cardops.adapters.postgresql.accounts.spending_limits import PostgresSpendingLimits
from cardops.adapters.postgresql.connection import connect

_CHANGES: Final = """
select changed_at, changed_by, before, after
from limit_changes
where program = %s and user_id = %s
order by changed_at
"""


class AuditedSpendingLimits(PostgresSpendingLimits):
    """The product's adapter, and its audit."""

    def changes(self, program: str, user_id: str) -> Sequence[Mapping[str, object]]:
        """The changes with `changed_by`, `before` and `after`, oldest first."""
        with connect(self._url) as session, session.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_CHANGES, [program, user_id]).fetchall()
