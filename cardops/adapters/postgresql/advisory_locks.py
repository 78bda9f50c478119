"""Named locks across processes, held for longer than a transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from cardops.adapters.postgresql.connection import connect

# The lock of a machine that vanished is released after about a minute, not the system's two hours.
KEEPALIVES: Final = "set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10"


@contextmanager
def locked_session(url: str, name: str) -> Iterator[psycopg.Connection]:
    """Hold the lock of that name until the block or its process ends; others wait for it.

    Yields the session that holds it: what is written there is written under the lock or not at all.
    The lock belongs to a session, not a transaction: an open transaction would delay the closing of
    a day and the vacuuming of old rows.
    """
    with lock_session(url) as session:
        session.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [name])
        yield session


@contextmanager
def lock_session(url: str) -> Iterator[psycopg.Connection]:
    """A session for locks, which end with it."""
    with connect(url) as session:
        session.execute(KEEPALIVES)
        yield session


@contextmanager
def advisory_lock(url: str, name: str) -> Iterator[None]:
    """The same for a block that needs no session."""
    with locked_session(url, name):
        yield
