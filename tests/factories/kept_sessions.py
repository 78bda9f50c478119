"""Sessions that a test's next connection to the same database takes over, reset to their beginning.

A server's process takes 7 ms of a processor to start, more than most operations; tests open a hundred
thousand. Sessions that are open at once stay apart: one is taken over only after it was closed.
"""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import pq
from typing_extensions import override

# All that `connect` of the adapters passes; a connection with more is not kept.
OPTIONS = {"autocommit", "connect_timeout"}
IN_TRANSACTION = {pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR}


class KeptSessions:
    """Closed sessions of this process, by the URL that they were opened with."""

    def __init__(self) -> None:
        self._sessions: dict[str, list[pq.abc.PGconn]] = {}
        self._pid = os.getpid()

    def take(self, url: str) -> pq.abc.PGconn | None:
        """One that the server has not ended; None in a forked process, whose parent has them."""
        while os.getpid() == self._pid and self._sessions.get(url):
            session = self._sessions[url].pop()
            if not has_ended(session):
                return session
            session.finish()
        return None

    def keep(self, url: str, session: pq.abc.PGconn) -> bool:
        """Whether it is as it was when it was opened, and kept."""
        is_kept = os.getpid() == self._pid and is_reset(session)
        if is_kept:
            self._sessions.setdefault(url, []).append(session)
        return is_kept

    def end(self) -> None:
        for session in (one for sessions in self._sessions.values() for one in sessions):
            session.finish()


class KeptConnection(psycopg.Connection[Any]):
    """Leaves its session to the next one when it is closed."""

    url: str
    kept: KeptSessions

    @override
    def close(self) -> None:
        if not self.closed and self.kept.keep(self.url, self.pgconn):
            self.pgconn = pq.PGconn()  # of no server: this connection is closed
            self._closed = True
        else:
            super().close()


@contextmanager
def kept_sessions() -> Iterator[None]:
    """Keep the sessions that this process closes, until the block ends."""
    kept, connect = KeptSessions(), psycopg.connect

    def connected(url: str = "", **options: Any) -> psycopg.Connection[Any]:
        if not options.keys() <= OPTIONS:
            return connect(url, **options)
        if session := kept.take(url):
            connection = KeptConnection(session)
            connection.autocommit = bool(options.get("autocommit"))
        else:
            connection = KeptConnection.connect(url, **options)
        connection.url, connection.kept = url, kept
        return connection

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(psycopg, "connect", connected)
        yield
    kept.end()


@pytest.fixture(scope="module", autouse=True)
def sessions_are_kept() -> Iterator[None]:
    """For a conftest.py to import, where operations open a session each."""
    with kept_sessions():
        yield


def is_reset(session: pq.abc.PGconn) -> bool:
    """End its transaction and forget its settings, locks, tables and statements, if it still can."""
    if session.transaction_status in IN_TRANSACTION:
        session.exec_(b"rollback")
    if session.transaction_status != pq.TransactionStatus.IDLE:
        return False
    return bool(session.exec_(b"discard all").status == pq.ExecStatus.COMMAND_OK)


def has_ended(session: pq.abc.PGconn) -> bool:
    """Whether the server closed it meanwhile: a session at rest has nothing else to say."""
    return session.status != pq.ConnStatus.OK or bool(select.select([session.socket], [], [], 0)[0])
