"""Card programs, their API keys and the blocks of their users, on PostgreSQL (synchronous)."""

import secrets
import string
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

import psycopg
from psycopg.rows import dict_row

from cardops.adapters.postgresql.accounts.changes import change_user
from cardops.adapters.postgresql.connection import connect
from cardops.rules.programs.api_keys import (
    KEY_ID_LENGTH,
    KEY_SECRET_LENGTH,
    ApiKey,
    NewKey,
    key_text,
    secret_sha256,
)
from cardops.rules.programs.programs import Program

_ALPHABET: Final = string.ascii_letters + string.digits
_PROGRAMS: Final = """
select
    p.program, p.currency, p.chargeback_mode, p.created_at,
    array(
        select h.host from callback_hosts as h where h.program = p.program order by h.host
    ) as callback_hosts,
    (
        select coalesce(jsonb_object_agg(c.scheme, c.network), '{}')
        from network_route_changes as c
        where
            c.program = p.program and c.network is not null
            and c.change_number = (
                select max(l.change_number) from network_route_changes as l
                where l.program = c.program and l.scheme = c.scheme
            )
    ) as network_routes,
    (
        select coalesce(jsonb_object_agg(c.network || '/' || c.stage, c.days), '{}')
        from dispute_clock_changes as c
        where
            c.program = p.program and c.days is not null
            and c.change_number = (
                select max(l.change_number) from dispute_clock_changes as l
                where l.program = c.program and l.network = c.network and l.stage = c.stage
            )
    ) as response_days
from programs as p
where %(program)s::text is null or p.program = %(program)s
order by p.program
"""
_RECORD_BLOCK: Final = """
insert into limit_changes (program, user_id, changed_by, before, after)
select
    change.program, change.user_id, change.changed_by,
    jsonb_build_object('is_blocked', coalesce(u.is_blocked, false)),
    jsonb_build_object('is_blocked', change.is_blocked)
from (
    select %s::boolean as is_blocked, %s::text as changed_by, %s::text as program,
        %s::text as user_id
) as change
left join users as u on u.program = change.program and u.user_id = change.user_id
"""
_HAS_ACCOUNT: Final = "select exists (select from accounts where program = %s and user_id = %s)"
_ADD_ROUTE: Final = """
insert into network_route_changes (program, scheme, change_number, network, set_by)
select
    change.program, change.scheme, coalesce(max(c.change_number), 0) + 1, change.network,
    change.set_by
from (
    select %s::text as program, %s::text as scheme, %s::text as network, %s::text as set_by
) as change
left join network_route_changes as c
    on c.program = change.program and c.scheme = change.scheme
group by change.program, change.scheme, change.network, change.set_by
"""
_ADD_CLOCK: Final = """
insert into dispute_clock_changes (program, network, stage, change_number, days, set_by)
select
    change.program, change.network, change.stage, coalesce(max(c.change_number), 0) + 1,
    change.days, change.set_by
from (
    select %s::text as program, %s::text as network, %s::text as stage, %s::integer as days,
        %s::text as set_by
) as change
left join dispute_clock_changes as c
    on c.program = change.program and c.network = change.network and c.stage = change.stage
group by change.program, change.network, change.stage, change.days, change.set_by
"""
_KEYS: Final = """
select key_id, program, name, is_test, scopes, created_at, revoked_at
from api_keys
where %(program)s::text is null or program = %(program)s
order by created_at, key_id
"""


class PostgresPrograms:
    """Implements cardops.ports.Programs. Opens a session per call, since calls are rare."""

    def __init__(self, url: str) -> None:
        self._url = url

    def create(self, program: Program) -> bool:
        """True where it was new; an existing program is not changed."""
        with self._session() as session:
            inserted = session.execute(
                "insert into programs (program, currency, chargeback_mode) values (%s, %s, %s) "
                "on conflict (program) do nothing",
                [program.program, program.currency, program.chargeback_mode],
            )
            if inserted.rowcount == 0:
                return False
            for host in dict.fromkeys(program.callback_hosts):
                session.execute(
                    "insert into callback_hosts (program, host) values (%s, %s)",
                    [program.program, host],
                )
            return True

    def find(self, program: str) -> Program | None:
        """The program with its callback hosts, or None."""
        return next(iter(self._programs(program)), None)

    def all(self) -> Sequence[Program]:
        """All programs by name."""
        return self._programs(None)

    def set_network_route(
        self, program: str, scheme: str, network: str | None, *, set_by: str
    ) -> None:
        """From now on disputes of the scheme go to this card company; None: to none. Audited."""
        with self._session() as session:
            # Two people at once make two changes, one after the other.
            key = f"network routes/{program}/{scheme}"
            session.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
            session.execute(_ADD_ROUTE, [program, scheme, network, set_by])

    def set_response_days(
        self, program: str, network: str, stage: str, days: int | None, *, set_by: str
    ) -> None:
        """From now on the processor leaves these days at that stage; None: the published ones. Audited."""
        with self._session() as session:
            # Two people at once make two changes, one after the other.
            key = f"dispute clocks/{program}/{network}/{stage}"
            session.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
            session.execute(_ADD_CLOCK, [program, network, stage, days, set_by])

    def create_key(
        self, program: str, name: str, scopes: Sequence[str], *, is_test: bool
    ) -> NewKey:
        """Create a key; only the hash of its secret is stored."""
        key_id, secret = _random_text(KEY_ID_LENGTH), _random_text(KEY_SECRET_LENGTH)
        with self._session() as session:
            session.execute(
                "insert into api_keys (key_id, program, name, is_test, secret_sha256, scopes) "
                "values (%s, %s, %s, %s, %s, %s)",
                [key_id, program, name, is_test, secret_sha256(secret), list(scopes)],
            )
        return NewKey(key_id, key_text(key_id, secret, is_test=is_test), program, tuple(scopes))

    def keys(self, program: str | None = None) -> Sequence[ApiKey]:
        """Keys in the order of their creation, including revoked ones."""
        with self._session() as session, session.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_KEYS, {"program": program}).fetchall()
        return [ApiKey(**{**row, "scopes": tuple(row["scopes"])}) for row in rows]

    def revoke_key(self, key_id: str) -> bool:
        """False where the key is unknown; revoking again keeps the first instant."""
        with self._session() as session:
            revoked = session.execute(
                "update api_keys set revoked_at = coalesce(revoked_at, now()) where key_id = %s",
                [key_id],
            )
            return revoked.rowcount == 1

    def set_blocked(
        self, program: str, user_id: str, *, is_blocked: bool, changed_by: str = "unnamed"
    ) -> None:
        """Block or unblock a user's spending, also of a user without an account.

        Once it has returned, nothing is permitted that did not see it.
        """

        def block(session: psycopg.Connection) -> None:
            session.execute(_RECORD_BLOCK, [is_blocked, changed_by, program, user_id])
            session.execute(
                "insert into users (program, user_id, is_blocked) values (%s, %s, %s) "
                "on conflict (program, user_id) do update "
                "set is_blocked = excluded.is_blocked, changed_at = clock_timestamp()",
                [program, user_id, is_blocked],
            )

        change_user(self._url, program, user_id, block)

    def has_account(self, program: str, user_id: str) -> bool:
        """Whether anything was ever deposited for the user."""
        with self._session() as session:
            row = session.execute(_HAS_ACCOUNT, [program, user_id]).fetchone()
        return bool(row and row[0])

    def _programs(self, program: str | None) -> list[Program]:
        with self._session() as session, session.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_PROGRAMS, {"program": program}).fetchall()
        return [Program(**{**row, "callback_hosts": tuple(row["callback_hosts"])}) for row in rows]

    def _session(self) -> AbstractContextManager[psycopg.Connection]:
        return connect(self._url, autocommit=False)


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
