"""Operations on the database, each in one transaction that is retried where that helps.

A conflict or a lost connection is retried a bounded number of times. A connection may be lost after
its commit, so operations must be idempotent.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

import psycopg
from psycopg import errors

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.errors import DatabaseFullError, DatabaseUnavailableError

MAX_ATTEMPTS: Final = 6
FIRST_PAUSE_SECONDS: Final = 0.05
CONFLICTS: Final = (errors.SerializationFailure, errors.DeadlockDetected)

Result = TypeVar("Result")
# The sessions that this thread shares, by URL; another thread begins with none.
_runners: ContextVar[Mapping[str, "TransactionRunner"] | None] = ContextVar("runners", default=None)


class TransactionRunner:
    """Runs operations on one session, and opens another where the connection was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: psycopg.Connection | None = None
        self.is_busy = False

    def run(self, operation: Callable[[psycopg.Connection], Result]) -> Result:
        """The operation's result, committed.

        Raises DatabaseUnavailableError after all attempts, and DatabaseFullError.
        """
        pause = FIRST_PAUSE_SECONDS
        for _ in range(MAX_ATTEMPTS - 1):
            try:
                return self.run_unretried(operation)
            except (*CONFLICTS, psycopg.OperationalError, DatabaseUnavailableError) as error:
                if not _is_transient(error):
                    raise
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
            pause *= 2
        return self._run_last(operation)

    def close(self) -> None:
        """End the session; a later operation opens another."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def run_unretried(self, operation: Callable[[psycopg.Connection], Result]) -> Result:
        """The same without retries: for input that can be read only once, such as a stream."""
        if self._session is None or self._session.closed:
            self._session = connect(self._url)
        self.is_busy = True
        try:
            with self._session.transaction():
                return operation(self._session)
        except errors.DiskFull as error:
            raise DatabaseFullError(_first_line(error)) from error
        finally:
            self.is_busy = False

    def _run_last(self, operation: Callable[[psycopg.Connection], Result]) -> Result:
        try:
            return self.run_unretried(operation)
        except (*CONFLICTS, psycopg.OperationalError) as error:
            raise DatabaseUnavailableError(
                f"The database did not complete the operation in {MAX_ATTEMPTS} attempts "
                f"({_first_line(error)}); nothing was lost, run it again."
            ) from error


@contextmanager
def transaction_runner(url: str) -> Iterator[TransactionRunner]:
    """A session for several operations, closed at the end."""
    runner = TransactionRunner(url)
    try:
        yield runner
    finally:
        runner.close()


@contextmanager
def one_session(url: str) -> Iterator[None]:
    """Operations of this thread on the database use one session until the block ends.

    A session costs more than most operations. Between two of them it has no open transaction.
    """
    if url in _shared():
        yield
        return
    with transaction_runner(url) as runner:
        token = _runners.set({**_shared(), url: runner})
        try:
            yield
        finally:
            _runners.reset(token)


def run_in_transaction(url: str, operation: Callable[[psycopg.Connection], Result]) -> Result:
    """One operation with retries, on a session of its own unless `one_session` opened one."""
    shared = _shared().get(url)
    if shared is not None and not shared.is_busy:
        return shared.run(operation)
    with transaction_runner(url) as runner:
        return runner.run(operation)


def _shared() -> Mapping[str, TransactionRunner]:
    return _runners.get() or {}


def _is_transient(error: Exception) -> bool:
    """Conflicts, and connections that were lost or refused (SQLSTATE 08xxx, 57P0x, or none)."""
    if isinstance(error, (*CONFLICTS, DatabaseUnavailableError)):
        return True
    state = getattr(error, "sqlstate", None)
    return state is None or state.startswith(("08", "57P0"))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
