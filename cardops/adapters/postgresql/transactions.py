"""Pieces of work against the database: each one session, one commit, tried again where that helps.

A conflict or a cut connection is tried again a bounded number of times. A connection may be cut
after its commit: work handed in here must do nothing more when it is done twice.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import psycopg
from psycopg import errors

from cardops.adapters.postgresql.connection import connect
from cardops.adapters.postgresql.errors import DatabaseUnavailableError

MAX_ATTEMPTS: Final = 6
FIRST_PAUSE_SECONDS: Final = 0.05
CONFLICTS: Final = (errors.SerializationFailure, errors.DeadlockDetected)

Result = TypeVar("Result")


class TransactionRunner:
    """Runs pieces of work on one session, and gets a new one when it was cut."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: psycopg.Connection | None = None

    def run(self, piece: Callable[[psycopg.Connection], Result]) -> Result:
        """What the piece returns, committed. Raises DatabaseUnavailableError at the end."""
        pause = FIRST_PAUSE_SECONDS
        for _ in range(MAX_ATTEMPTS - 1):
            try:
                return self.once(piece)
            except (*CONFLICTS, psycopg.OperationalError, DatabaseUnavailableError) as error:
                if not _is_worth_another_try(error):
                    raise
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads, hides nothing
            pause *= 2
        return self._last(piece)

    def close(self) -> None:
        """End the session; a later piece of work opens another."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def once(self, piece: Callable[[psycopg.Connection], Result]) -> Result:
        """The same, tried once: for what may not begin again, such as a stream."""
        if self._session is None or self._session.closed:
            self._session = connect(self._url)
        with self._session.transaction():
            return piece(self._session)

    def _last(self, piece: Callable[[psycopg.Connection], Result]) -> Result:
        try:
            return self.once(piece)
        except (*CONFLICTS, psycopg.OperationalError) as error:
            raise DatabaseUnavailableError(
                f"The database did not take the work in {MAX_ATTEMPTS} attempts "
                f"({_first_line(error)}); nothing of it is lost, try again."
            ) from error


@contextmanager
def transaction_runner(url: str) -> Iterator[TransactionRunner]:
    """A session for several pieces of work, closed at the end."""
    work = TransactionRunner(url)
    try:
        yield work
    finally:
        work.close()


def run_in_transaction(url: str, piece: Callable[[psycopg.Connection], Result]) -> Result:
    """One piece of work on a session of its own."""
    with transaction_runner(url) as work:
        return work.run(piece)


def _is_worth_another_try(error: Exception) -> bool:
    """Conflicts, and connections that were cut or refused (SQLSTATE 08xxx, 57P0x, or none)."""
    if isinstance(error, (*CONFLICTS, DatabaseUnavailableError)):
        return True
    state = getattr(error, "sqlstate", None)
    return state is None or state.startswith(("08", "57P0"))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
