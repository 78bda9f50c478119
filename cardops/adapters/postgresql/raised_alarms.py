"""Alarms that were raised, each once, whoever looks and however often.

Belongs here: claiming, confirming and listing them in any table whose key says which alarm it is. An
alarm is written before it is sent, so that nobody sends it twice; one without `sent_at` may not have
been sent.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, Generic, TypeVar

import psycopg

from cardops.adapters.postgresql.transactions import run_in_transaction

# Rows of one statement: a batch of arrays, not a million parameters.
ALARMS_AT_ONCE: Final = 10_000
Alarm = TypeVar("Alarm")
Key = tuple[Any, ...]


class RaisedAlarms(ABC, Generic[Alarm]):
    """One table of alarms. Holds no session between calls."""

    table: ClassVar[str]
    # The columns of its primary key, in order, each with its type in PostgreSQL.
    columns: ClassVar[Mapping[str, str]]

    def __init__(self, url: str) -> None:
        self._url = url
        self._names = ", ".join(self.columns)
        self._rows = f"unnest({', '.join(f'%s::{kind}[]' for kind in self.columns.values())})"

    @abstractmethod
    def key_of(self, alarm: Alarm) -> Key:
        """The values of its columns."""

    @abstractmethod
    def alarm_of(self, key: Key) -> Alarm:
        """The alarm with this key."""

    def claim(self, alarms: Sequence[Alarm]) -> Sequence[Alarm]:
        """Record those that nobody raised yet, and return them; they are the caller's to send."""
        by_key = {self.key_of(alarm): alarm for alarm in alarms}
        # Two workers at once: the second waits for the first's commit and gets none of its rows.
        claim = (
            f"insert into {self.table} ({self._names}) select * from {self._rows}"  # noqa: S608 - only our own names
            f" on conflict do nothing returning {self._names}"
        )

        def claim_all(session: psycopg.Connection) -> list[Key]:
            # In one order in every worker, so that two of them never deadlock.
            return [
                tuple(row)
                for arrays in _batches(sorted(by_key))
                for row in session.execute(claim, arrays)
            ]

        # A claim that was stored while its answer was lost is nobody's to send: it stays unconfirmed.
        return [by_key[key] for key in sorted(run_in_transaction(self._url, claim_all))]

    def confirm(self, alarms: Sequence[Alarm]) -> None:
        """Record that they were sent."""
        own = ", ".join(f"{self.table}.{name}" for name in self.columns)
        sent = ", ".join(f"sent.{name}" for name in self.columns)
        confirm = (
            f"update {self.table} set sent_at = clock_timestamp()"  # noqa: S608 - only our own names
            f" from {self._rows} as sent ({self._names}) where ({own}) = ({sent})"
        )

        def confirm_all(session: psycopg.Connection) -> None:
            for arrays in _batches(sorted(map(self.key_of, alarms))):
                session.execute(confirm, arrays)

        run_in_transaction(self._url, confirm_all)

    def unconfirmed(self, before: datetime) -> Sequence[Alarm]:
        """Alarms raised before that instant which may not have been sent: the process ended."""
        find = (
            f"select {self._names} from {self.table}"  # noqa: S608 - only our own names
            f" where sent_at is null and raised_at < %s order by {self._names}"
        )
        rows = run_in_transaction(
            self._url, lambda session: session.execute(find, [before]).fetchall()
        )
        return [self.alarm_of(tuple(row)) for row in rows]


def _batches(keys: Sequence[Key]) -> list[list[list[Any]]]:
    """Arrays of each batch, one a column."""
    batches = [keys[at : at + ALARMS_AT_ONCE] for at in range(0, len(keys), ALARMS_AT_ONCE)]
    return [[list(column) for column in zip(*batch, strict=True)] for batch in batches]
