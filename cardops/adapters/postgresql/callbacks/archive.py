"""Old callbacks and attempts on PostgreSQL: read by day, recorded as archived, deleted in batches.

Synchronous, for nightly runs. Belongs here: the statements. In which order they are safe is in
cardops.services.callbacks.archiving.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final, LiteralString

from psycopg import sql

from cardops.adapters.postgresql.advisory_locks import advisory_lock
from cardops.adapters.postgresql.authorizations.rows import callback_id_from
from cardops.adapters.postgresql.callbacks.sql import PROGRAMS
from cardops.adapters.postgresql.connection import connect, with_options
from cardops.adapters.postgresql.reconciliation.log_file import write_log
from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.contracts.lake.callback_archive import COLUMNS
from cardops.rules.callbacks.archives import ArchivedTable, ArchivePart, Retention, day_of

LOCK: Final = "callback-archive"
# Rows are deleted by their keys, whatever the planner believes of a batch or a table.
_BY_KEY: Final = ("-cenable_seqscan=off", "-cenable_hashjoin=off", "-cenable_mergejoin=off")
# The oldest of each program's delivered callbacks that ended in time: an index step each, where all
# others of that age were archived before.
_FIRST_CALLBACK: Final = f"""
{PROGRAMS.format(program="null")}
select min(first.callback_id collate "C")
from programs_asked as p
cross join lateral (
    select c.callback_id from callbacks as c
    where
        c.program = p.program and c.state = 'delivered'
        and c.callback_id >= %(first)s collate "C" and c.callback_id < %(end)s collate "C"
        and c.ended_at < %(until)s
    order by c.callback_id collate "C"
    limit 1
) as first
"""  # noqa: S608 - a piece of ours
_FIRST_ATTEMPT: Final = """
select callback_id from callback_attempts
where callback_id >= %(first)s and callback_id < %(end)s and started_at < %(until)s
order by callback_id
limit 1
"""
_FIRST: Final = {
    ArchivedTable.CALLBACKS: _FIRST_CALLBACK,
    ArchivedTable.ATTEMPTS: _FIRST_ATTEMPT,
}
_ROWS: Final[dict[ArchivedTable, LiteralString]] = {
    ArchivedTable.CALLBACKS: """
select
    callback_id, program, transaction_id, split_part(url, '?', 1), is_test,
    encode(sha256(body), 'hex'), attempt_count, created_at, ended_at, last_status_code, request_id
from callbacks
where
    state = 'delivered' and callback_id >= {first} and callback_id < {end} and ended_at < {until}
order by callback_id
""",
    ArchivedTable.ATTEMPTS: """
select callback_id, started_at, attempt_count, duration_milliseconds, status_code, error
from callback_attempts
where callback_id >= {first} and callback_id < {end} and started_at < {until}
order by callback_id, started_at
""",
}
_DELETE: Final = {
    ArchivedTable.CALLBACKS: """
delete from callbacks as c
using unnest(%s::text[], %s::timestamptz[]) as a (callback_id, ended_at)
where
    c.callback_id = a.callback_id and c.state = 'delivered'
    and c.ended_at = a.ended_at -- guard: archived-as-it-is
""",
    ArchivedTable.ATTEMPTS: """
delete from callback_attempts as c
using unnest(%s::text[], %s::timestamptz[]) as a (callback_id, started_at)
where c.callback_id = a.callback_id and c.started_at = a.started_at
""",
}
_PARTS: Final = """
select table_name, business_date, number, row_count, content_sha256 from callback_archives
where table_name = %s and deleted_at is null
order by business_date, number
"""
_NEXT_NUMBER: Final = """
select coalesce(max(number), 0) + 1 from callback_archives
where table_name = %s and business_date = %s
"""
_RECORD: Final = """
insert into callback_archives (table_name, business_date, number, row_count, content_sha256)
values (%s, %s, %s, %s, %s)
"""
_FINISH: Final = """
update callback_archives set deleted_at = now()
where table_name = %s and business_date = %s and number = %s
"""


class PostgresCallbackArchive:
    """Implements cardops.ports.CallbackArchive. Holds no session between calls."""

    def __init__(self, url: str, retention: Retention) -> None:
        self._url = url
        self.retention = retention

    def exclusively(self) -> AbstractContextManager[None]:
        """One process at a time in the block; others wait."""
        return advisory_lock(self._url, LOCK)

    def next_day(self, table: ArchivedTable, after: date, until: datetime) -> date | None:
        """The first day after that one with rows that ended before `until`."""
        values = _bounds(after + timedelta(days=1), until.date(), until)
        statement = _FIRST[table].encode()
        row = run_in_transaction(
            self._url, lambda session: session.execute(statement, values).fetchone()
        )
        return day_of(row[0]) if row is not None and row[0] is not None else None

    def export(
        self, table: ArchivedTable, business_date: date, until: datetime, target: Path
    ) -> ArchivePart | None:
        """Write a day's rows that ended before `until` to a Parquet file; None where there are none."""
        values = _bounds(business_date, business_date + timedelta(days=1), until)
        literals = {name: sql.Literal(value) for name, value in values.items()}
        query = sql.SQL(_ROWS[table]).format(**literals)
        with connect(self._url) as session:
            row_count, content_sha256 = write_log(session, query, target, COLUMNS[table])
        if not row_count:
            return None
        number = run_in_transaction(
            self._url,
            lambda session: session.execute(_NEXT_NUMBER, [table, business_date]).fetchone(),
        )
        return ArchivePart(
            table, business_date, number[0] if number else 1, row_count, content_sha256
        )

    def record(self, part: ArchivePart) -> None:
        """Record that the part is in the lake: from now on its rows may be deleted."""
        values = [
            part.table, part.business_date, part.number, part.row_count, part.content_sha256,
        ]  # fmt: skip
        run_in_transaction(self._url, lambda session: session.execute(_RECORD, values))

    def to_delete(self, table: ArchivedTable) -> Sequence[ArchivePart]:
        """Recorded parts whose rows may still be in the store, oldest first."""
        rows = run_in_transaction(
            self._url, lambda session: session.execute(_PARTS, [table]).fetchall()
        )
        return [ArchivePart(ArchivedTable(name), *rest) for name, *rest in rows]

    def delete(self, table: ArchivedTable, ids: Sequence[str], instants: Sequence[datetime]) -> int:
        """Delete these rows in one commit, where they are as they were archived; returns how many."""
        values = [list(ids), list(instants)]
        return run_in_transaction(
            with_options(self._url, *_BY_KEY),
            lambda session: session.execute(_DELETE[table], values).rowcount,
        )

    def finish(self, part: ArchivePart) -> None:
        """Record that the part's rows are deleted."""
        values = [part.table, part.business_date, part.number]
        run_in_transaction(self._url, lambda session: session.execute(_FINISH, values))


def _bounds(first: date, end: date, until: datetime) -> dict[str, object]:
    return {
        "first": callback_id_from(datetime.combine(first, time(), UTC)),
        "end": callback_id_from(datetime.combine(end, time(), UTC)),
        "until": until,
    }
