"""Applies migrations/*.sql: in order, once each, each in one commit, one process at a time.

Forward only. A newer database keeps working with this version: migrations that this version does
not have are ignored.

A file that begins with OUTSIDE runs statement by statement instead, each in its own commit: indexes
of large tables are built `concurrently`, which stops nobody's writes and cannot be part of a
transaction. Its statements must be repeatable (`if not exists`), as a killed runner starts again.
"""

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import psycopg

from cardops.adapters.postgresql.errors import MigrationBlockedError, MigrationChangedError

# Any number that nothing else locks in this database.
LOCK_KEY: Final = 0x0CA2D095
MAX_ATTEMPTS: Final = 10
LOCK_PAUSE_SECONDS: Final = 0.1
# A change that gave way to a long query lets the traffic behind it pass before it tries again.
BLOCKED_PAUSE_SECONDS: Final = 2.0
OUTSIDE: Final = "-- Outside a transaction."
# A change of a table waits for those who read it, and everybody else waits behind the change.
MAX_BLOCKING: Final = "2s"
HISTORY: Final = """
create schema if not exists cardops;
create table if not exists cardops.schema_migrations (
    version integer primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file, `NNNN_what_it_adds.sql`."""

    version: int
    name: str
    statements: str

    @property
    def sha256(self) -> str:
        """Hash of its text with normalised line ends."""
        return hashlib.sha256("\n".join(self.statements.splitlines()).encode()).hexdigest()

    @property
    def is_outside(self) -> bool:
        """Whether each statement is a commit of its own."""
        return self.statements.startswith(OUTSIDE)


def known_migrations() -> list[Migration]:
    """The migrations of this version, in order."""
    folder = files("cardops.adapters.postgresql") / "migrations"
    migrations = [
        Migration(int(match[1]), file.name, file.read_text("utf-8"))
        for file in folder.iterdir()
        if (match := re.fullmatch(r"([0-9]{4})_[a-z0-9_]+\.sql", file.name))
    ]
    return sorted(migrations, key=lambda migration: migration.version)


def migrate(session: psycopg.Connection, migrations: Sequence[Migration] | None = None) -> int:
    """Apply the missing migrations; returns how many.

    Raises MigrationChangedError where the file of an applied migration has changed, and
    MigrationBlockedError where long queries left no moment to change a table.
    """
    known = known_migrations() if migrations is None else migrations
    count = 0
    if _has_history(session):
        missing = _missing(session, known)
        if not missing:
            return 0
    while _apply_with_retries(session, known):
        count += 1
    return count


def _apply_with_retries(session: psycopg.Connection, known: Sequence[Migration]) -> bool:
    """Apply the next migration; again where it deadlocks with live traffic, or blocks it for long."""
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return _apply_next(session, known)
        except psycopg.errors.DeadlockDetected:
            continue
        except psycopg.errors.LockNotAvailable:
            time.sleep(BLOCKED_PAUSE_SECONDS)
    try:
        return _apply_next(session, known)
    except psycopg.errors.LockNotAvailable:
        raise MigrationBlockedError from None


def _apply_next(session: psycopg.Connection, known: Sequence[Migration]) -> bool:
    """Apply the first missing migration; False where none is missing."""
    with _exclusively(session):
        session.execute(HISTORY)
        missing = _missing(session, known)
        if not missing:
            return False
        if missing[0].is_outside:
            _apply_outside(session, missing[0])
        else:
            _apply_in_one_commit(session, missing[0])
        return True


@contextmanager
def _exclusively(session: psycopg.Connection) -> Iterator[None]:
    """One process at a time in the block.

    Asked for again and again, not waited for: a waiting session has a snapshot, and an index that is
    built concurrently waits for every snapshot.
    """
    while not _value(session, f"select pg_try_advisory_lock({LOCK_KEY})"):
        time.sleep(LOCK_PAUSE_SECONDS)
    try:
        yield
    finally:
        if not session.closed:
            session.execute("select pg_advisory_unlock(%s)", [LOCK_KEY])


def _apply_in_one_commit(session: psycopg.Connection, migration: Migration) -> None:
    with session.transaction():
        session.execute("set local search_path = cardops")
        session.execute(migration.statements.encode())
        _record(session, migration)


def _apply_outside(session: psycopg.Connection, migration: Migration) -> None:
    search_path = _value(session, "select current_setting('search_path')")
    session.execute("set search_path = cardops")
    try:
        # What a killed runner began to build is there, but not valid.
        for (unfinished,) in session.execute(_UNFINISHED).fetchall():
            session.execute(f"drop index concurrently {unfinished}".encode())
        for statement in re.split(r";[ ]*$", migration.statements, flags=re.MULTILINE):
            if statement.strip():
                # A concurrent one blocks nobody, and may have to wait for a long query to end.
                blocking = "0" if "concurrently" in statement else MAX_BLOCKING
                session.execute(f"set lock_timeout = '{blocking}'".encode())
                session.execute(statement.encode())
        _record(session, migration)
    finally:
        session.execute("reset lock_timeout")
        session.execute("select set_config('search_path', %s, false)", [search_path])


def _record(session: psycopg.Connection, migration: Migration) -> None:
    session.execute(
        "insert into cardops.schema_migrations (version, name, sha256) values (%s, %s, %s)",
        [migration.version, migration.name, migration.sha256],
    )


_UNFINISHED: Final = """
select indexrelid::regclass::text from pg_index
where not indisvalid and indrelid in (
    select oid from pg_class where relnamespace = 'cardops'::regnamespace
)
"""


def _value(session: psycopg.Connection, query: str) -> object:
    row = session.execute(query.encode()).fetchone()
    return None if row is None else row[0]


def _has_history(session: psycopg.Connection) -> bool:
    row = session.execute("select to_regclass('cardops.schema_migrations')").fetchone()
    return row is not None and row[0] is not None


def _missing(session: psycopg.Connection, known: Sequence[Migration]) -> list[Migration]:
    rows = session.execute("select version, sha256 from cardops.schema_migrations").fetchall()
    applied: dict[int, str] = dict(rows)
    for migration in known:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise MigrationChangedError(migration.name)
    return [migration for migration in known if migration.version not in applied]
