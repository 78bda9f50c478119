"""Breakers on PostgreSQL: one row for each destination that ever failed."""

from collections.abc import Callable, Mapping
from typing import Final

import psycopg

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.rules.deliveries.breakers import Breaker

_FIND: Final = (
    "select failure_count, opened_at, retry_at, last_error, recovered_at, alarm_due_at, refused_at"
    " from destination_breakers where destination = %s"
)
_ALL: Final = (
    "select destination, failure_count, opened_at, retry_at, last_error, recovered_at, alarm_due_at,"
    " refused_at from destination_breakers order by destination"
)
_ADD: Final = "insert into destination_breakers (destination) values (%s) on conflict (destination) do nothing"
_CHANGE: Final = (
    "update destination_breakers set failure_count = %s, opened_at = %s, retry_at = %s,"
    " last_error = %s, recovered_at = %s, alarm_due_at = %s, refused_at = %s, changed_at = now()"
    " where destination = %s"
)


class PostgresBreakers:
    """Implements cardops.ports.Breakers. Holds no session between calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    def find(self, destination: str) -> Breaker:
        """The destination's breaker; a closed one where it never failed."""
        row = run_in_transaction(
            self._url, lambda session: session.execute(_FIND, [destination]).fetchone()
        )
        return Breaker(*row) if row else Breaker()

    def all(self) -> Mapping[str, Breaker]:
        """The breakers of destinations that ever failed."""
        rows = run_in_transaction(self._url, lambda session: session.execute(_ALL).fetchall())
        return {row[0]: Breaker(*row[1:]) for row in rows}

    def change(
        self, destination: str, change: Callable[[Breaker], Breaker]
    ) -> tuple[Breaker, Breaker]:
        """Replace the breaker by what `change` makes of it; (before, after). One change at a time."""
        return run_in_transaction(self._url, lambda session: _change(session, destination, change))


def _change(
    session: psycopg.Connection, destination: str, change: Callable[[Breaker], Breaker]
) -> tuple[Breaker, Breaker]:
    session.execute(_ADD, [destination])
    row = session.execute(_FIND + " for update", [destination]).fetchone()  # guard: one-trial
    before = Breaker(*row) if row else Breaker()
    after = change(before)
    if after != before:
        values = (
            after.failure_count,
            after.opened_at,
            after.retry_at,
            after.last_error,
            after.recovered_at,
            after.alarm_due_at,
            after.refused_at,
        )
        session.execute(_CHANGE, [*values, destination])
    return before, after
