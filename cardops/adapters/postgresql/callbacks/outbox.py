"""Pending callbacks on PostgreSQL: leased by one worker at a time, recorded by attempt."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cardops.adapters.postgresql.callbacks import sql
from cardops.adapters.postgresql.sessions import Pool, store_errors_translated, transaction
from cardops.rules.callbacks.callbacks import (
    Callback,
    CallbackResult,
    CallbackState,
    attempt_of,
)
from cardops.rules.callbacks.endpoints import (
    ENDPOINT_DISABLED,
    Endpoint,
    HostCapacity,
    after_failure,
    endpoint_of,
    host_queue_key,
)

MAX_ENDPOINTS_PER_STEP: Final = 10
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


class PostgresCallbackOutbox:
    """The outbox that decisions are written to in their own commit."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def lease_due(
        self, at: datetime, limit: int, lease_seconds: float, capacity: HostCapacity | None = None
    ) -> list[Callback]:
        """Due callbacks, leased for `lease_seconds`; the attempt is counted at once."""
        capacity = capacity or HostCapacity(limit)
        rows = await self._pool.fetch(
            sql.LEASE,
            at,
            limit,
            timedelta(seconds=lease_seconds),
            json.dumps({"/".join(key): capacity.of(key) for key in capacity.by_queue}),
            capacity.default,
            ENDPOINT_DISABLED,
        )
        return sorted(map(callback_from, rows), key=lambda callback: callback.callback_id)

    async def record(self, results: Sequence[CallbackResult]) -> None:
        """Store the results in one statement; failing endpoints are updated in a second commit."""
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

    async def release(self, callbacks: Sequence[Callback], at: datetime) -> None:
        """End the leases of callbacks that were not sent: due again, the attempt not counted."""
        if callbacks:
            ids = [callback.callback_id for callback in callbacks]
            counts = [callback.attempt_count for callback in callbacks]
            await self._pool.execute(sql.RELEASE, ids, counts, at)

    async def oldest_due_at(self, at: datetime) -> datetime | None:
        """Since when the oldest due callback is due; None when none is due."""
        oldest: datetime | None = await self._pool.fetchval(sql.OLDEST_DUE, at)
        return oldest

    async def dead_letter_disabled(self, at: datetime) -> list[Endpoint]:
        """Mark callbacks to newly disabled endpoints dead; each endpoint is returned once."""
        closed = []
        rows = await self._pool.fetch(sql.ENDPOINTS_TO_CLOSE, MAX_ENDPOINTS_PER_STEP)
        for endpoint in map(endpoint_from, rows):
            await self._dead_letter(endpoint, at)
            # Several workers may get here; the one that sets `closed_at` notifies the operators.
            if await self._pool.fetchval(
                sql.CLOSE_ENDPOINT, endpoint.program, endpoint.endpoint, at
            ):
                closed.append(endpoint)
        return closed

    async def disabled_endpoint_count(self) -> int:
        """How many endpoints are disabled now; at most ten thousand are counted."""
        count: int = await self._pool.fetchval(sql.DISABLED_COUNT)
        return count

    async def prune(self, before: datetime, limit: int) -> int:
        """Forget endpoints that last failed before an instant; returns how many."""
        return row_count(await self._pool.execute(sql.PRUNE_ENDPOINTS, before, limit))

    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        """A page, newest first, and the next cursor."""
        with store_errors_translated():
            if cursor is None:
                rows = await self._pool.fetch(sql.LIST, program, state, limit + 1)
            else:
                rows = await self._pool.fetch(sql.LIST_BEFORE, program, state, limit + 1, cursor)
        page = [callback_from(row) for row in rows[:limit]]
        return page, page[-1].callback_id if len(rows) > limit else None

    async def replay(
        self, program: str | None, callback_id: str, by_key: str | None = None
    ) -> bool:
        """Make it pending and due now, with no attempt counted."""
        with store_errors_translated():
            replayed = await self._pool.fetchval(sql.REPLAY, program, callback_id, by_key)
        return replayed is not None

    async def _count_failures(
        self, failures: Mapping[tuple[str, str], list[CallbackResult]]
    ) -> None:
        """Apply the rule to each failing endpoint, with its row locked."""
        keys = sorted(failures)
        programs, endpoints = [key[0] for key in keys], [key[1] for key in keys]
        instants = [failures[key][0].ended_at for key in keys]
        async with transaction(self._pool) as session:
            added = await session.fetch(sql.ADD_ENDPOINTS, programs, endpoints, instants)
            new = {(row["program"], row["endpoint"]) for row in added}
            rows = await session.fetch(sql.LOCK_ENDPOINTS, programs, endpoints)
            changed = []
            for row in rows:
                key = row["program"], row["endpoint"]
                endpoint = None if key in new else endpoint_from(row)
                for result in failures[key]:
                    endpoint = after_failure(endpoint, result)
                if endpoint is not None:
                    changed.append(endpoint)
            await session.execute(sql.CHANGE_ENDPOINTS, *_columns(changed))

    async def _dead_letter(self, endpoint: Endpoint, at: datetime) -> None:
        program, host = host_queue_key(endpoint.program, endpoint.endpoint)
        error = f"{ENDPOINT_DISABLED} {endpoint.disabled_because}"
        after: datetime | None = _EARLIEST
        while after is not None:
            after = await self._pool.fetchval(
                sql.DEAD_LETTER, program, host, after, endpoint.endpoint, at, error
            )


def failures_by_endpoint(
    results: Iterable[CallbackResult],
) -> dict[tuple[str, str], list[CallbackResult]]:
    """The failures of each endpoint; none for an endpoint that also accepted a callback."""
    failures: dict[tuple[str, str], list[CallbackResult]] = {}
    delivered = set()
    for result in results:
        key = result.program, endpoint_of(result.url)
        if result.is_endpoint_failure:
            failures.setdefault(key, []).append(result)
        elif result.state is CallbackState.DELIVERED:
            delivered.add(key)
    return {key: failed for key, failed in failures.items() if key not in delivered}


def row_count(status: object) -> int:
    """The rows that a statement changed, from its command status such as `DELETE 5`."""
    return int(str(status).rpartition(" ")[2])


def callback_from(row: Mapping[str, object]) -> Callback:
    """A callback from its columns."""
    fields = dict(row)
    fields["state"] = CallbackState(str(fields["state"]))
    return Callback(**fields)  # type: ignore[arg-type] # untyped rows


def endpoint_from(row: Mapping[str, object]) -> Endpoint:
    """An endpoint from its columns."""
    return Endpoint(**dict(row))  # type: ignore[arg-type] # untyped rows


def _columns(endpoints: Sequence[Endpoint]) -> list[list[object]]:
    return [
        [getattr(endpoint, name) for endpoint in endpoints] for name in sql.ENDPOINT_COLUMN_NAMES
    ]
