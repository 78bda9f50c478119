"""Waiting until every write that was in progress has ended, without a lock that any of them meets.

A decision compares what it read (limits, voided ids) as of the snapshot of its write statement. So
a change that is committed is seen by every later write, and whoever made it waits here for those
that were in progress: once they have ended, nothing is permitted any more that did not see it.

Which writes are in progress is known from their table locks. PostgreSQL takes a statement's table
locks before the statement's snapshot (isolation level read committed), so a write whose snapshot is
older than the change either holds its lock on the table by now, or has ended. Readers hold another
kind of lock, so an analyst's open snapshot is not waited for. `pg_locks` shows the locks of every
role; where it shows not even this session's own lock, it cannot be relied on, and nothing is
reported as ended.

Belongs here: the wait. What is announced before it is in voided_ids.py and accounts/changes.py.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import psycopg

from cardops.adapters.postgresql.sessions import Pool
from cardops.rules.authorizations.decisions import StoreUnavailableError
from cardops.rules.errors import ExplainedError

# A write is ended by its statement timeout long before; a process that is stopped in the middle of
# a locked batch by idle_in_transaction_session_timeout (sessions.py).
MAX_WAIT_SECONDS: Final = 30.0
FIRST_PAUSE_SECONDS: Final = 0.001
MAX_PAUSE_SECONDS: Final = 0.016

# A transaction: the process id of its session, and its virtual id, which is never used again there.
Writer: TypeAlias = tuple[int, str]

# The insert writes no row: it takes a lock that this statement must then see. On a table that no
# decision writes, so that two sessions that wait here do not wait for each other.
_WRITERS: Final = """
with own as (
    insert into voided_ids select * from voided_ids where false
)
select pid, virtualtransaction, relation = 'voided_ids'::regclass as is_own
from pg_locks
where
    locktype = 'relation' and mode = 'RowExclusiveLock' and granted
    and database = (select oid from pg_database where datname = current_database())
    and (
        relation in ({tables})
        or (relation = 'voided_ids'::regclass and pid = pg_backend_pid())
    )
"""
_DECISIONS, _MOVEMENTS = "'decisions'::regclass", "'movements'::regclass"
DECISION_WRITERS: Final = _WRITERS.format(tables=_DECISIONS)
# Increments are decided like requests and written as movements.
SPENDING_WRITERS: Final = _WRITERS.format(tables=f"{_DECISIONS}, {_MOVEMENTS}")


class WritesInProgressError(ExplainedError):
    """Writes that began before a change have not ended in time."""

    def __init__(self, writers: Iterable[Writer]) -> None:
        processes = ", ".join(sorted({str(pid) for pid, _ in writers}))
        super().__init__(
            "The change is stored and holds for every new decision, but transactions that began "
            f"before it are still writing decisions (PostgreSQL processes {processes}; see "
            "pg_stat_activity), so one more may be permitted without it; end them, or run the "
            "command again to wait once more."
        )


class LocksHiddenError(ExplainedError):
    """The view pg_locks does not show this session's own lock."""

    def __init__(self) -> None:
        super().__init__(
            "The database does not show its locks (the view pg_locks is empty or filtered), so it "
            "cannot be known when a change is in force for every decision; give the database user "
            "of CARDOPS_DATABASE_URL an unfiltered view of pg_locks."
        )


async def wait_for_decision_writers(pool: Pool, within_seconds: float) -> None:
    """Return once every write of decisions that was in progress has ended.

    Raises StoreUnavailableError past the time, LocksHiddenError.
    """
    wait = _Wait(within_seconds)
    while not wait.is_over(await pool.fetch(DECISION_WRITERS)):
        if wait.is_late:
            raise StoreUnavailableError
        await asyncio.sleep(next(wait.pauses))


def wait_for_spending_writers(session: psycopg.Connection) -> None:
    """The same for decisions and increments; the session must be outside of a transaction.

    Raises WritesInProgressError, LocksHiddenError.
    """
    wait = _Wait(MAX_WAIT_SECONDS)
    while not wait.is_over(session.execute(SPENDING_WRITERS).fetchall()):
        if wait.is_late:
            raise WritesInProgressError(wait.writers or ())
        time.sleep(next(wait.pauses))


class _Wait:
    """The writers of the first reading that are still there; later ones are not waited for."""

    def __init__(self, within_seconds: float) -> None:
        self.writers: set[Writer] | None = None
        self.pauses = _pauses()
        self._ends_at = time.monotonic() + within_seconds

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self._ends_at

    def is_over(self, rows: Iterable[Sequence[object]]) -> bool:
        found: set[Writer] = set()
        is_own_seen = False
        for pid, virtual_id, is_own in rows:
            is_own_seen = is_own_seen or bool(is_own)
            if not is_own:
                found.add((int(str(pid)), str(virtual_id)))
        if not is_own_seen:  # guard: writers-visible
            raise LocksHiddenError
        self.writers = found if self.writers is None else self.writers & found
        return not self.writers


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, MAX_PAUSE_SECONDS)
