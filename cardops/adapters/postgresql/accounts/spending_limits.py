"""Spending limits as operators set and read them, on PostgreSQL (synchronous).

Belongs here: limits, their changes, and their usage as an operator sees it. The reads of a decision
are in authorizations/limit_rows.py.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from typing import Final, TypeVar

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from cardops.adapters.postgresql.accounts.changes import change_program, change_user
from cardops.adapters.postgresql.authorizations.limit_rows import limit_of
from cardops.adapters.postgresql.connection import connect
from cardops.rules.accounts.spending_limits import (
    Allowance,
    LimitKind,
    SpendingLimit,
    counting_start,
    limits_in_force,
    merge_limit,
)

Result = TypeVar("Result")

_LIMITS: Final = """
select currency, kind, max_amount_minor, max_count, window_seconds
from spending_limits
where program = %s and user_id = %s
order by currency, kind, window_seconds
"""
_SET: Final = """
insert into spending_limits (
    program, user_id, currency, kind, window_seconds, max_amount_minor, max_count, changed_by
)
values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict (program, user_id, currency, kind, window_seconds) do update
set
    max_amount_minor = excluded.max_amount_minor,
    max_count = excluded.max_count,
    changed_by = excluded.changed_by,
    changed_at = now()
"""
_REMOVE: Final = """
delete from spending_limits
where program = %s and user_id = %s and currency = %s and kind = %s and window_seconds = %s
"""
_RECORD_CHANGE: Final = """
insert into limit_changes (program, user_id, changed_by, before, after) values (%s, %s, %s, %s, %s)
"""
_USED: Final = """
select coalesce(sum(amount_minor), 0), count(*)
from (
    select amount_minor from decisions
    where
        program = %(program)s and user_id = %(user_id)s and currency = %(currency)s
        and status = 'PERMIT' and decided_at >= %(start)s
    union all
    select amount_minor from movements
    where
        program = %(program)s and user_id = %(user_id)s and currency = %(currency)s
        and kind = 'increment' and status = 'PERMIT' and posted_at >= %(start)s
) as permitted
"""


class PostgresSpendingLimits:
    """Implements cardops.ports.SpendingLimits; each change and its audit row are one commit."""

    def __init__(self, url: str) -> None:
        self._url = url

    def change(
        self,
        program: str,
        user_id: str,
        currency: str,
        limits: Sequence[SpendingLimit],
        *,
        changed_by: str,
    ) -> None:
        """Set the limits, all or none; an amount or count that a limit omits keeps its value."""

        def set_all(session: psycopg.Connection) -> None:
            for limit in limits:
                before = _find(session, program, user_id, currency, limit.key)
                after = merge_limit(before, limit)
                session.execute(
                    _SET,
                    [program, user_id, currency, after.kind.value, after.window_seconds,
                     after.max_amount_minor, after.max_count, changed_by],
                )  # fmt: skip
                session.execute(
                    _RECORD_CHANGE,
                    [program, user_id, changed_by, _json(currency, before), _json(currency, after)],
                )

        self._change(program, user_id, set_all)

    def remove(
        self,
        program: str,
        user_id: str,
        currency: str,
        key: tuple[LimitKind, int],
        *,
        changed_by: str,
    ) -> bool:
        """Remove a limit; False where there is none."""

        def remove_one(session: psycopg.Connection) -> bool:
            before = _find(session, program, user_id, currency, key)
            if before is None:
                return False
            session.execute(_REMOVE, [program, user_id, currency, key[0].value, key[1]])
            session.execute(
                _RECORD_CHANGE, [program, user_id, changed_by, _json(currency, before), None]
            )
            return True

        return self._change(program, user_id, remove_one)

    def own(self, program: str, user_id: str) -> Mapping[str, Sequence[SpendingLimit]]:
        """The limits set for exactly this user (or `''`), by currency."""
        with self._session() as session:
            return _own(session, program, user_id)

    def used(self, program: str, user_id: str, at: datetime) -> Mapping[str, Sequence[Allowance]]:
        """The limits in force for a user with their usage, by currency."""
        with self._session() as session:
            of_program, own = _own(session, program, ""), _own(session, program, user_id)
            used = {
                currency: limits_in_force(of_program.get(currency, ()), own.get(currency, ()))
                for currency in sorted({*of_program, *own})
            }
            for currency, allowances in used.items():
                account = {"program": program, "user_id": user_id, "currency": currency}
                for allowance in allowances:
                    _count(session, account, allowance, at)
            return used

    def _change(
        self, program: str, user_id: str, change: Callable[[psycopg.Connection], Result]
    ) -> Result:
        """The change in force for every decision; `''` stands for all users of the program."""
        if user_id:
            return change_user(self._url, program, user_id, change)
        return change_program(self._url, program, change)

    def _session(self) -> AbstractContextManager[psycopg.Connection]:
        return connect(self._url, autocommit=False)


def _own(session: psycopg.Connection, program: str, user_id: str) -> dict[str, list[SpendingLimit]]:
    limits: dict[str, list[SpendingLimit]] = {}
    with session.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_LIMITS, [program, user_id]):
            limits.setdefault(row["currency"], []).append(limit_of(row))
    return limits


def _find(
    session: psycopg.Connection,
    program: str,
    user_id: str,
    currency: str,
    key: tuple[LimitKind, int],
) -> SpendingLimit | None:
    own = _own(session, program, user_id).get(currency, ())
    return next((limit for limit in own if limit.key == key), None)


def _count(
    session: psycopg.Connection, account: Mapping[str, str], allowance: Allowance, at: datetime
) -> None:
    start = counting_start(allowance.limit, at)
    if start is not None:
        row = session.execute(_USED, {**account, "start": start}).fetchone()
        allowance.used_amount_minor, allowance.used_count = (int(row[0]), row[1]) if row else (0, 0)


def _json(currency: str, limit: SpendingLimit | None) -> Jsonb | None:
    return Jsonb({"currency": currency, **asdict(limit)}) if limit else None
