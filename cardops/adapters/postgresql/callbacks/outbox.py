"""Callbacks owed, on PostgreSQL: leased by one worker at a time, recorded by attempt."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cardops.adapters.postgresql.authorizations.rows import callback_id_from
from cardops.adapters.postgresql.callbacks import sql
from cardops.adapters.postgresql.sessions import Pool, store_errors_translated, transaction
from cardops.rules.callbacks.callbacks import (
    Callback,
    CallbackResult,
    CallbackState,
    attempt_of,
)
from cardops.rules.callbacks.endpoints import (
    REFUSED,
    Endpoint,
    HostCapacity,
    after_failure,
    endpoint_of,
    host_queue_of,
)

MAX_CLOSED: Final = 10
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class PostgresCallbackOutbox:
    """The outbox that decisions are written to in their own commit."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take_due(
        self, at: datetime, limit: int, lease_seconds: float, room: HostCapacity | None = None
    ) -> list[Callback]:
        """Due callbacks, each counted as one more attempt, leased until the lease is over."""
        room = room or HostCapacity(limit)
        rows = await self._pool.fetch(
            sql.TAKE,
            at,
            limit,
            timedelta(seconds=lease_seconds),
            json.dumps({"/".join(host_queue): room.of(host_queue) for host_queue in room.known}),
            room.other,
            REFUSED,
        )
        return sorted(map(callback_of, rows), key=lambda callback: callback.callback_id)

    async def record(self, results: Sequence[CallbackResult]) -> None:
        """What became of each attempt, in one statement; failing endpoints in a second commit."""
        if not results:
            return
        attempts = [attempt_of(result) for result in results]
        await self._pool.execute(
            sql.RECORD,
            [result.callback_id for result in results],
            [result.attempt_count for result in results],
            [result.state.value for result in results],
            [result.ended_at for result in results],
            [result.next_attempt_at for result in results],
            [result.status_code for result in results],
            [result.error for result in results],
            [result.program for result in results],
            [endpoint_of(result.url) for result in results],
            [result.leased_until for result in results],
            [attempt.started_at for attempt in attempts],
            [attempt.duration_milliseconds for attempt in attempts],
        )
        failures = failures_by_endpoint(results)
        if failures:
            await self._count_failures(failures)

    async def give_back(self, callbacks: Sequence[Callback], at: datetime) -> None:
        """Taken and not tried: due again, with one attempt less."""
        if callbacks:
            ids = [callback.callback_id for callback in callbacks]
            counts = [callback.attempt_count for callback in callbacks]
            await self._pool.execute(sql.GIVE_BACK, ids, counts, at)

    async def oldest_due_at(self, at: datetime) -> datetime | None:
        """Since when the callback that has waited longest is due; None where none waits."""
        found: datetime | None = await self._pool.fetchval(sql.OLDEST_DUE, at)
        return found

    async def close_disabled(self, at: datetime) -> list[Endpoint]:
        """Give up what is owed to endpoints newly disabled; each endpoint is returned once."""
        closed = []
        for endpoint in map(endpoint_from, await self._pool.fetch(sql.TO_CLOSE, MAX_CLOSED)):
            await self._give_up(endpoint, at)
            key = endpoint.program, endpoint.endpoint
            # Of several workers one sets the instant, and that one tells the operators.
            if await self._pool.fetchval(sql.CLOSED, *key, at):
                closed.append(endpoint)
        return closed

    async def disabled_endpoint_count(self) -> int:
        """How many endpoints are disabled just now; at most ten thousand are counted."""
        count: int = await self._pool.fetchval(sql.DISABLED_COUNT)
        return count

    async def prune(self, before: datetime, limit: int) -> int:
        """Forget attempts, and failures of endpoints, from before an instant; how many."""
        count = 0
        for statement, arguments in (
            (sql.PRUNE_ATTEMPTS, (callback_id_from(before), before, limit)),
            (sql.PRUNE_ENDPOINTS, (before, limit)),
        ):
            said: str = await self._pool.execute(statement, *arguments)
            count += int(said.rpartition(" ")[2])
        return count

    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        """A page, newest first, and where the next one begins."""
        with store_errors_translated():
            rows = await self._pool.fetch(sql.LIST, program, state, cursor, limit + 1)
        page = [callback_of(row) for row in rows[:limit]]
        return page, page[-1].callback_id if len(rows) > limit else None

    async def replay(self, program: str | None, callback_id: str) -> bool:
        """Owe it again, from the first attempt."""
        with store_errors_translated():
            return bool(await self._pool.execute(sql.REPLAY, program, callback_id) == "UPDATE 1")

    async def _count_failures(
        self, failures: Mapping[tuple[str, str], list[CallbackResult]]
    ) -> None:
        """Let the rule judge each endpoint, with its row locked."""
        keys = sorted(failures)
        programs, endpoints = [key[0] for key in keys], [key[1] for key in keys]
        instants = [failures[key][0].ended_at for key in keys]
        async with transaction(self._pool) as session:
            added = await session.fetch(sql.ADD_ENDPOINTS, programs, endpoints, instants)
            new = {(row["program"], row["endpoint"]) for row in added}
            rows = await session.fetch(sql.LOCK_ENDPOINTS, programs, endpoints)
            judged = []
            for row in rows:
                key = row["program"], row["endpoint"]
                known = None if key in new else endpoint_from(row)
                for result in failures[key]:
                    known = after_failure(known, result)
                judged.append(known)
            await session.execute(
                sql.CHANGE_ENDPOINTS, *_columns([one for one in judged if one is not None])
            )

    async def _give_up(self, endpoint: Endpoint, at: datetime) -> None:
        program, host = host_queue_of(endpoint.program, endpoint.endpoint)
        why = f"{REFUSED} {endpoint.disabled_because}"
        after: datetime | None = _BEGINNING
        while after is not None:
            after = await self._pool.fetchval(
                sql.GIVE_UP, program, host, after, endpoint.endpoint, at, why
            )


def failures_by_endpoint(
    results: Iterable[CallbackResult],
) -> dict[tuple[str, str], list[CallbackResult]]:
    """What speaks against each endpoint; nothing against one that also took a callback."""
    failures: dict[tuple[str, str], list[CallbackResult]] = {}
    well = set()
    for result in results:
        key = result.program, endpoint_of(result.url)
        if result.is_failure_of_endpoint:
            failures.setdefault(key, []).append(result)
        elif result.state is CallbackState.DELIVERED:
            well.add(key)
    return {key: found for key, found in failures.items() if key not in well}


def callback_of(row: Mapping[str, object]) -> Callback:
    """A callback from its columns."""
    fields = dict(row)
    fields["state"] = CallbackState(str(fields["state"]))
    return Callback(**fields)  # type: ignore[arg-type] # untyped rows


def endpoint_from(row: Mapping[str, object]) -> Endpoint:
    """An endpoint from its columns."""
    return Endpoint(**dict(row))  # type: ignore[arg-type] # untyped rows


def _columns(endpoints: Sequence[Endpoint]) -> list[list[object]]:
    return [
        [one.program for one in endpoints],
        [one.endpoint for one in endpoints],
        [one.failing_since for one in endpoints],
        [one.last_failed_at for one in endpoints],
        [one.failure_count for one in endpoints],
        [one.last_status_code for one in endpoints],
        [one.last_error for one in endpoints],
        [one.disabled_at for one in endpoints],
        [one.disabled_because for one in endpoints],
    ]
