"""A copy of the whole store in a database of its own, for a block.

Belongs here: making and dropping it. The store itself is only read, in one snapshot.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from graphlib import TopologicalSorter
from typing import Final
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import IsolationLevel, errors, sql

from cardops.adapters.postgresql.connection import SCHEMA, connect
from cardops.adapters.postgresql.migrate import migrate
from cardops.rules.errors import ExplainedError

# Copying more beside live traffic would be felt by it.
MAX_COPY_BYTES: Final = 2 * 1024**3
_SIZE: Final = """
select coalesce(sum(pg_total_relation_size(format('%%I.%%I', schemaname, tablename)::regclass)), 0)
from pg_tables where schemaname = %s
"""
_TABLES: Final = """
select table_name, string_agg(quote_ident(column_name), ', ' order by ordinal_position)
from information_schema.columns
inner join information_schema.tables using (table_schema, table_name)
where table_schema = %s and table_type = 'BASE TABLE' and table_name <> 'schema_migrations'
group by table_name
order by table_name
"""
_REFERENCES: Final = """
select referring.relname, referred.relname
from pg_constraint
inner join pg_class as referring on referring.oid = pg_constraint.conrelid
inner join pg_class as referred on referred.oid = pg_constraint.confrelid
where pg_constraint.contype = 'f'
    and pg_constraint.connamespace = %s::regnamespace
    and pg_constraint.conrelid <> pg_constraint.confrelid
"""
_TABLES_OF_PROGRAMS: Final = """
select table_name
from information_schema.columns
inner join information_schema.tables using (table_schema, table_name)
where table_schema = %s and table_type = 'BASE TABLE' and column_name = 'program'
order by table_name <> 'programs', table_name
"""
_NEXT_FILE: Final = """
select setval(
    pg_get_serial_sequence('intake_files', 'intake_id'),
    (select coalesce(max(intake_id), 0) + 1 from intake_files), false
)
"""


class CopyRefusedError(ExplainedError):
    """No copy of the store was made; the message says why and what to do."""


@contextmanager
def copied_database(url: str) -> Iterator[str]:
    """URL of a copy on the same server, dropped at the end. Raises CopyRefusedError."""
    name = f"cardops_copy_{secrets.token_hex(6)}"
    with connect(url) as session:
        _refuse_large(session)
        _create(session, name)
    try:
        copy_url = _with_database(url, name)
        _fill(url, copy_url)
        yield copy_url
    finally:
        with connect(url) as session:
            session.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def keep_one_program(url: str, program: str) -> None:
    """Remove the rows of all other programs, and what was recorded of exports, from a copy.

    What is kept is written anew: that takes as long as what is kept, not as what is removed.
    """
    with connect(url, autocommit=False) as copy:
        tables = [table for (table,) in copy.execute(_TABLES_OF_PROGRAMS, [SCHEMA]).fetchall()]
        for table in tables:
            kept = sql.Identifier(f"kept_{table}")
            command = (
                "create temporary table {kept} on commit drop as"
                " select * from {table} where program = {program}"
            )
            names = {"kept": kept, "table": sql.Identifier(table), "program": sql.Literal(program)}
            copy.execute(sql.SQL(command).format(**names))
        # At once, because some refer to others.
        every = sql.SQL(", ").join(map(sql.Identifier, tables))
        copy.execute(sql.SQL("truncate {}").format(every))
        for table in tables:
            command = "insert into {table} overriding system value select * from {kept}"
            names = {"table": sql.Identifier(table), "kept": sql.Identifier(f"kept_{table}")}
            copy.execute(sql.SQL(command).format(**names))
        copy.execute("truncate exported_days, reconciled_days")
        copy.execute("analyze")


def _refuse_large(session: psycopg.Connection) -> None:
    row = session.execute(_SIZE, [SCHEMA]).fetchone()
    size = int(row[0]) if row else 0
    if size > MAX_COPY_BYTES:
        raise CopyRefusedError(
            f"The store has {size / 1024**3:.1f} GiB, and a copy of more than "
            f"{MAX_COPY_BYTES / 1024**3:.0f} GiB would slow its traffic down; restore a backup "
            "elsewhere, point CARDOPS_DATABASE_URL at it and try again."
        )


def _create(session: psycopg.Connection, name: str) -> None:
    try:
        session.execute(
            sql.SQL("create database {} template template0").format(sql.Identifier(name))
        )
    except errors.InsufficientPrivilege:
        raise CopyRefusedError(
            "The database user may not create a database, so no copy of the store can be made; "
            "grant it CREATEDB, or restore a backup elsewhere and point CARDOPS_DATABASE_URL at it."
        ) from None


def _fill(url: str, copy_url: str) -> None:
    with connect(copy_url) as copy, connect(url, autocommit=False) as source:
        migrate(copy)
        source.isolation_level = IsolationLevel.REPEATABLE_READ
        source.read_only = True
        for table, columns in _tables(copy):
            _copy_table(source, copy, table, columns)
        copy.execute(_NEXT_FILE)
        copy.execute("analyze")


def _tables(copy: psycopg.Connection) -> list[tuple[str, str]]:
    """Each table with its columns, after those that it refers to."""
    columns: dict[str, str] = dict(copy.execute(_TABLES, [SCHEMA]).fetchall())
    referred: dict[str, set[str]] = {table: set() for table in columns}
    for table, other in copy.execute(_REFERENCES, [SCHEMA]).fetchall():
        referred[table].add(other)
    return [(table, columns[table]) for table in TopologicalSorter(referred).static_order()]


def _copy_table(
    source: psycopg.Connection, copy: psycopg.Connection, table: str, columns: str
) -> None:
    names = {"table": sql.Identifier(table), "columns": sql.SQL(columns)}
    read = sql.SQL("copy {table} ({columns}) to stdout (format binary)").format(**names)
    write = sql.SQL("copy {table} ({columns}) from stdin (format binary)").format(**names)
    with source.cursor().copy(read) as rows, copy.cursor().copy(write) as target:
        for block in rows:
            target.write(block)


def _with_database(url: str, name: str) -> str:
    """The same server and options, another database."""
    address = urlsplit(url)
    # urlunsplit would drop the empty authority of a URL such as postgresql:///cardops.
    query = f"?{address.query}" if address.query else ""
    return f"{address.scheme}://{address.netloc}/{quote(name)}{query}"
