"""Applies migrations/*.sql: in order, once each, each in one commit, one process at a time.

Forward only. A newer database keeps working with this version: migrations that this version does
not have are ignored.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import psycopg

from cardops.adapters.postgresql.errors import MigrationChangedError

# Any number that nothing else locks in this database.
LOCK_KEY: Final = 0x0CA2D095
MAX_ATTEMPTS: Final = 10
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

    Raises MigrationChangedError where the file of an applied migration has changed.
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
    """Apply the next migration, retrying where it deadlocks with live traffic."""
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return _apply_next(session, known)
        except psycopg.errors.DeadlockDetected:
            continue
    return _apply_next(session, known)


def _apply_next(session: psycopg.Connection, known: Sequence[Migration]) -> bool:
    """Apply the first missing migration in one commit; False where none is missing."""
    with session.transaction():
        session.execute("select pg_advisory_xact_lock(%s)", [LOCK_KEY])
        session.execute(HISTORY)
        missing = _missing(session, known)
        if not missing:
            return False
        session.execute("set local search_path = cardops")
        session.execute(missing[0].statements.encode())
        session.execute(
            "insert into cardops.schema_migrations (version, name, sha256) values (%s, %s, %s)",
            [missing[0].version, missing[0].name, missing[0].sha256],
        )
        return True


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
