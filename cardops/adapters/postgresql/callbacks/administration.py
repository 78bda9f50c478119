"""What operators look up and change about callbacks, on PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from cardops.adapters.postgresql.authorizations.rows import callback_id_from
from cardops.adapters.postgresql.callbacks.outbox import callback_from, endpoint_from, row_count
from cardops.adapters.postgresql.callbacks.sql import COLUMNS, ENDPOINT_COLUMNS, PROGRAMS
from cardops.adapters.postgresql.sessions import Pool
from cardops.rules.callbacks.callbacks import Callback, CallbackAttempt, CallbackSelection
from cardops.rules.callbacks.endpoints import Endpoint, endpoint_of

MAX_ENDPOINTS: Final = 1_000
# An id may be generated later than the instant its callback was created at.
_MAX_ID_DELAY: Final = timedelta(hours=1)

_FIND: Final = f"select {COLUMNS} from callbacks where callback_id = $1"  # noqa: S608 - ours
_ATTEMPTS: Final = """
select callback_id, attempt_count, started_at, duration_milliseconds, status_code, error
from callback_attempts
where callback_id = any($1::text[])
order by callback_id, started_at
"""
# One page of the callbacks in that state; the next page begins after the last id of this one.
_REPLAY_PAGE: Final = f"""
{PROGRAMS.format(program="$6")},
page as (
    select c.*
    from programs_asked as p
    cross join lateral (
        select l.callback_id, l.url, l.created_at from callbacks as l
        where
            l.program = p.program and l.state = $3
            and l.callback_id > $1 collate "C" and l.callback_id < $2 collate "C"
        order by l.callback_id collate "C"
        limit 5000
    ) as c
    order by c.callback_id collate "C"
    limit 5000
),
replayed as (
    update callbacks as c
    set state = 'pending', attempt_count = 0, next_attempt_at = now(), ended_at = null
    where
        c.state = $3
        and c.callback_id = any(array(
            select p.callback_id from page as p
            where
                p.created_at >= $4 and p.created_at < $5
                and ($7::text is null or split_part(p.url, '?', 1) = $7)
        ))
    returning 1
)
select max(callback_id collate "C") as last_id, (select count(*) from replayed) as replayed from page
"""  # noqa: S608 - a piece of ours
_FAILING: Final = f"""
select {ENDPOINT_COLUMNS} from callback_endpoints
where $1::text is null or program = $1
order by program, endpoint
limit $2
"""  # noqa: S608 - the columns are ours
_DISABLED: Final = f"""
select {ENDPOINT_COLUMNS} from callback_endpoints
where disabled_at is not null and ($1::text is null or program = $1)
order by program, endpoint
limit $2
"""  # noqa: S608 - the columns are ours
_ENABLE: Final = """
delete from callback_endpoints where endpoint = $2 and ($1::text is null or program = $1)
"""


class PostgresCallbackAdministration:
    """Reads and changes the tables of the outbox."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, callback_id: str) -> Callback | None:
        """One callback."""
        row = await self._pool.fetchrow(_FIND, callback_id)
        return callback_from(row) if row else None

    async def attempts(self, callback_ids: Sequence[str]) -> list[CallbackAttempt]:
        """The delivery log of callbacks as far as it is retained, oldest first."""
        rows = await self._pool.fetch(_ATTEMPTS, list(callback_ids))
        return [CallbackAttempt(**row) for row in rows]

    async def replay_selected(self, selection: CallbackSelection) -> int:
        """Make the selected callbacks pending and due now, page by page, each in its own commit."""
        after: str | None = callback_id_from(selection.since)
        before = callback_id_from(selection.until + _MAX_ID_DELAY)
        count = 0
        while after is not None:
            row = await self._pool.fetchrow(
                _REPLAY_PAGE,
                after,
                before,
                selection.state.value,
                selection.since,
                selection.until,
                selection.program,
                selection.endpoint,
            )
            after, count = row["last_id"], count + row["replayed"]
        return count

    async def endpoints(self, program: str | None, *, only_disabled: bool) -> list[Endpoint]:
        """Endpoints that have failed since their last success."""
        statement = _DISABLED if only_disabled else _FAILING
        rows = await self._pool.fetch(statement, program, MAX_ENDPOINTS)
        return [endpoint_from(row) for row in rows]

    async def enable(self, program: str | None, endpoint: str) -> int:
        """Enable the endpoint and forget its failures; returns in how many programs."""
        return row_count(await self._pool.execute(_ENABLE, program, endpoint_of(endpoint)))
