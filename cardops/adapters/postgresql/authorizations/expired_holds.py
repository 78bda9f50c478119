"""Holds past their expiry by the database's clock, and which process may release them.

Belongs here: finding them. They are released as actions, like everything that changes a hold.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cardops.adapters.postgresql.authorizations import action_sql
from cardops.adapters.postgresql.sessions import Pool, store_errors_translated
from cardops.rules.authorizations.records import OverdueHold

# Longer than the pause between two turns of the sweeper: one process keeps the lease.
LEASE: Final = timedelta(seconds=15)


class PostgresExpiredHolds:
    """Implements cardops.ports.ExpiredHolds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take_lease(self, holder: str) -> bool:
        """Whether `holder` may release holds until the lease ends; a dead holder loses it."""
        with store_errors_translated():
            return bool(await self._pool.fetchval(action_sql.TAKE_LEASE, holder, LEASE))

    async def overdue(self, after: OverdueHold | None, limit: int) -> Sequence[OverdueHold]:
        """Open holds past their expiry, oldest first, after the given one."""
        statement, arguments = action_sql.OVERDUE_HOLDS, []
        if after is not None:
            statement, arguments = action_sql.OVERDUE_HOLDS_AFTER, [*after[:3]]
        with store_errors_translated():
            rows = await self._pool.fetch(statement, limit, *arguments)
        return [OverdueHold(*row) for row in rows]

    async def oldest_overdue_at(self) -> datetime | None:
        """The earliest expiry among the overdue holds; None where there is none."""
        with store_errors_translated():
            oldest: datetime | None = await self._pool.fetchval(action_sql.OLDEST_OVERDUE_HOLD)
        return oldest
