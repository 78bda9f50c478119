"""Databases and homes that exist inside a block."""

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

from cardops.adapters.postgresql.connection import connect

# Environment variable with the folder of this run's server; other homes are made beside it.
TEST_HOME = "CARDOPS_TEST_HOME"
BOOKS = (
    "accounts",
    "users",
    "deposit_events",
    "deposit_recalls",
    "deposit_reinstatements",
    "reinstatement_requests",
    "provisional_policies",
    "provisional_postings",
    "provisional_notices",
    "deposit_stagings",
    "decisions",
    "holds",
    "movements",
    "voided_ids",
    "callbacks",
    "spending_limits",
    "limit_changes",
)


def stop_flushing(server_url: str) -> None:
    """Switch off flushing on a test's own server.

    The kernel keeps what was written when a server process is killed; only a power cut would lose it.
    """
    with connect(server_url) as session:
        for setting in ("fsync", "full_page_writes"):
            session.execute(f"alter system set {setting} = off".encode())
        session.execute("select pg_reload_conf()")


def empty_books(session: psycopg.Connection) -> None:
    """Delete all balances, decisions and callbacks; programs and keys stay."""
    for table in BOOKS:
        session.execute(sql.SQL("delete from {}").format(sql.Identifier(table)))


def with_database(url: str, name: str) -> str:
    """The same server and options, another database."""
    address = urlsplit(url)
    # urlunsplit would drop the empty authority of a URL such as postgresql:///cardops.
    query = f"?{address.query}" if address.query else ""
    return f"{address.scheme}://{address.netloc}/{quote(name)}{query}"


@contextmanager
def new_database(server_url: str, *, template: str = "template0") -> Iterator[str]:
    """A database of its own; yields its URL, without any schema."""
    name = f"cardops_test_{uuid.uuid4().hex[:12]}"
    made, pattern = sql.Identifier(name), sql.Identifier(template)
    with connect(server_url) as session:
        # Copied as files, which takes half of what copying by way of the log and the buffers does.
        statement = sql.SQL("create database {} template {} strategy file_copy")
        _once_vacuumed(session, statement.format(made, pattern))
    try:
        yield with_database(server_url, name)
    finally:
        with connect(server_url) as session:
            _once_vacuumed(session, sql.SQL("drop database {} with (force)").format(made))


def _once_vacuumed(session: psycopg.Connection, statement: sql.Composed) -> None:
    """Retry while an autovacuum runs there: only a superuser may end it, and it is soon over.

    A copy waits for it five seconds by itself, which a busy machine exceeds.
    """
    for _ in range(100):
        try:
            session.execute(statement)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
            time.sleep(0.1)
        else:
            return
    session.execute(statement)


@contextmanager
def new_home() -> Iterator[Path]:
    """A home on a short path, which an unprivileged server may enter."""
    beside = Path(os.environ[TEST_HOME]).parent
    home = Path(tempfile.mkdtemp(prefix="cardops-home-", dir=beside))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home)
