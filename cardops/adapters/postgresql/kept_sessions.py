"""Sessions that a process keeps when they are closed, for its next ones at the same URL.

A session costs a fork of the server, a check of the password and an empty cache of its catalog: more than
most operations. A process that opens them again and again calls `keep_sessions`; the rest of the code
opens and closes its sessions as before, and finds each as a new one would be.

Belongs here: what is kept, for how long, and when it is used again. No table of any subject.
"""

import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import psycopg
from psycopg import pq
from typing_extensions import override

# One for each thread that evaluates sensors or runs steps, with some to spare.
MAX_KEPT: Final = 8
# A router between may have forgotten an older one, without a word to either end.
KEPT_SECONDS: Final = 60.0
AT_REST: Final = (
    pq.TransactionStatus.IDLE,
    pq.TransactionStatus.INTRANS,
    pq.TransactionStatus.INERROR,
)


@dataclass(frozen=True, slots=True)
class _Kept:
    url: str
    session: pq.abc.PGconn
    since: float


class KeptSessions:
    """Closed sessions of this process, the last one last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._sessions: list[_Kept] = []

    @property
    def is_of_this_process(self) -> bool:
        """A forked process must leave its parent's sessions alone."""
        return os.getpid() == self._pid

    def take(self, url: str) -> pq.abc.PGconn | None:
        """The session that was closed last at that URL, unless the server has ended it."""
        if not self.is_of_this_process:
            return None
        self._end_old()
        with self._lock:
            for kept in reversed(self._sessions):
                if kept.url == url:
                    self._sessions.remove(kept)
                    return kept.session
        return None

    def keep(self, url: str, session: pq.abc.PGconn) -> None:
        """Keep a session that is as it was when it was opened."""
        with self._lock:
            self._sessions.append(_Kept(url, session, self._clock()))
        self._end_old()

    def end(self) -> None:
        """End all of them."""
        with self._lock:
            ended, self._sessions = self._sessions, []
        for kept in ended:
            kept.session.finish()

    def _end_old(self) -> None:
        """End what is too old or too many, and forget what the server has ended."""
        since = self._clock() - KEPT_SECONDS
        with self._lock:
            usable = [
                kept
                for kept in self._sessions
                if kept.since >= since and not _has_ended(kept.session)
            ][-MAX_KEPT:]
            ended = [kept for kept in self._sessions if kept not in usable]
            self._sessions = usable
        for kept in ended:
            kept.session.finish()


class KeptSession(psycopg.Connection[tuple[Any, ...]]):
    """Leaves its connection to the server to the next session when it is closed."""

    _kept: KeptSessions
    _url: str

    @classmethod
    def open(cls, kept: KeptSessions, url: str, **options: Any) -> Self:
        """A session on a connection that was kept, else on a new one. Raises as psycopg does."""
        taken = kept.take(url)
        session = cls(taken) if taken is not None else cls.connect(url, **options)
        session.autocommit = bool(options.get("autocommit"))
        session._kept, session._url = kept, url  # noqa: SLF001 - of this class
        return session

    @override
    def close(self) -> None:
        if self.closed or not self._kept.is_of_this_process or not self._is_reset():
            super().close()
            return
        connection, self.pgconn = self.pgconn, pq.PGconn()  # of no server: this session is closed
        self._closed = True
        self._kept.keep(self._url, connection)

    def _is_reset(self) -> bool:
        """End its transaction and forget its settings, locks, tables and statements, if it can."""
        if self.lock.locked() or self.pgconn.transaction_status not in AT_REST:
            return False  # closed in the middle of a statement, which would be waited for
        try:
            self.rollback()
            self.autocommit = True
            self.execute("discard all", prepare=False)
        except psycopg.Error:
            return False
        return self.pgconn.transaction_status == pq.TransactionStatus.IDLE


def _has_ended(session: pq.abc.PGconn) -> bool:
    """Whether the server closed it: a session at rest has nothing else to say."""
    if session.status != pq.ConnStatus.OK:
        return True
    poll = select.poll()
    poll.register(session.socket, select.POLLIN)
    return bool(poll.poll(0))


_process: KeptSessions | None = None


def keep_sessions() -> KeptSessions:
    """From now on, this process keeps sessions; the same ones however often it is called."""
    global _process  # noqa: PLW0603 - one a process, like its connections
    if _process is None or not _process.is_of_this_process:
        _process = KeptSessions()
    return _process


def stop_keeping_sessions() -> None:
    """End what is kept, and keep no more."""
    global _process
    kept, _process = _process, None
    if kept is not None and kept.is_of_this_process:
        kept.end()


def open_session(url: str, **options: Any) -> psycopg.Connection:
    """As `psycopg.connect`; on a kept connection where this process keeps them."""
    if _process is None or not _process.is_of_this_process:
        return psycopg.connect(url, **options)
    return KeptSession.open(_process, url, **options)
