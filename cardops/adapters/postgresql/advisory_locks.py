"""Holding one thing alone across processes, by name, for longer than a transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cardops.adapters.postgresql.connection import connect

# A holder whose machine vanished lets go after about a minute, not after the system's two hours.
KEEPALIVES: Final = "set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10"


@contextmanager
def advisory_lock(url: str, name: str) -> Iterator[None]:
    """Others who hold the same name wait until the block ends, or its process does.

    A session's lock, not a transaction's: no open transaction keeps a day from being closed or
    old rows from being vacuumed.
    """
    with connect(url) as session:
        session.execute(KEEPALIVES)
        session.execute("select pg_advisory_lock(hashtextextended(%s, 0))", [name])
        yield
