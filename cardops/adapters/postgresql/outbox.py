"""Callbacks owed, on PostgreSQL: leased by one worker at a time, recorded by attempt."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from cardops.adapters.postgresql.sessions import Pool
from cardops.rules.callbacks import Callback, CallbackResult, CallbackState

_COLUMNS: Final = """
callback_id, program, transaction_id, url, is_test, body, state, attempt_count, next_attempt_at,
created_at, last_status_code, last_error
"""
# A lease is a later next attempt: a worker that dies gives its callbacks back by time alone.
_TAKE: Final = f"""
update callbacks as c
set next_attempt_at = $1::timestamptz + $3::interval, attempt_count = c.attempt_count + 1
where c.callback_id in (
    select d.callback_id from callbacks as d
    where d.state = 'pending' and d.next_attempt_at <= $1
    order by d.next_attempt_at
    limit $2
    for update skip locked
)
returning {_COLUMNS}
"""  # noqa: S608 - the columns are ours
# Only the attempt that holds the lease may say what became of it.
_RECORD: Final = """
update callbacks as c
set
    state = r.state,
    next_attempt_at = coalesce(r.next_attempt_at, c.next_attempt_at),
    ended_at = case when r.state = 'pending' then null else r.ended_at end,
    last_status_code = r.status_code,
    last_error = r.error
from unnest(
    $1::text[], $2::integer[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::integer[],
    $7::text[]
) as r (callback_id, attempt_count, state, ended_at, next_attempt_at, status_code, error)
where
    c.callback_id = r.callback_id and c.attempt_count = r.attempt_count and c.state = 'pending'
"""
_LIST: Final = f"""
select {_COLUMNS} from callbacks
where
    ($1::text is null or program = $1)
    and ($2::text is null or state = $2)
    and ($3::text is null or callback_id < $3)
order by callback_id desc
limit $4
"""  # noqa: S608 - the columns are ours
_REPLAY: Final = """
update callbacks
set
    state = 'pending', attempt_count = 0, next_attempt_at = now(), ended_at = null
where callback_id = $2 and ($1::text is null or program = $1)
"""
_OLDEST_DUE: Final = """
select min(next_attempt_at) from callbacks where state = 'pending' and next_attempt_at <= $1
"""


class PostgresCallbackOutbox:
    """The outbox that decisions are written to in their own commit."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take_due(self, at: datetime, limit: int, lease_seconds: float) -> list[Callback]:
        """Due callbacks, each counted as one more attempt, leased until the lease is over."""
        rows = await self._pool.fetch(_TAKE, at, limit, timedelta(seconds=lease_seconds))
        return sorted(map(_callback, rows), key=lambda callback: callback.callback_id)

    async def record(self, results: Sequence[CallbackResult]) -> None:
        """What became of each attempt; one whose lease was lost says nothing."""
        if not results:
            return
        await self._pool.execute(
            _RECORD,
            [result.callback_id for result in results],
            [result.attempt_count for result in results],
            [result.state.value for result in results],
            [result.ended_at for result in results],
            [result.next_attempt_at for result in results],
            [result.status_code for result in results],
            [result.error for result in results],
        )

    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        """A page, newest first, and where the next one begins."""
        rows = await self._pool.fetch(_LIST, program, state, cursor, limit + 1)
        page = [_callback(row) for row in rows[:limit]]
        return page, page[-1].callback_id if len(rows) > limit else None

    async def replay(self, program: str | None, callback_id: str) -> bool:
        """Owe it again, from the first attempt."""
        return bool(await self._pool.execute(_REPLAY, program, callback_id) == "UPDATE 1")

    async def oldest_due_at(self, at: datetime) -> datetime | None:
        """Since when the callback that has waited longest is due; None where none waits."""
        found: datetime | None = await self._pool.fetchval(_OLDEST_DUE, at)
        return found


def _callback(row: Mapping[str, object]) -> Callback:
    fields = dict(row)
    fields["state"] = CallbackState(str(fields["state"]))
    return Callback(**fields)  # type: ignore[arg-type] # untyped rows
