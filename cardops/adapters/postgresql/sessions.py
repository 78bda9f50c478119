"""Asynchronous sessions of the authorizer: a pool whose plans go by key, and what may be retried.

Belongs here: how asyncpg is opened and which of its errors mean what. No table of any subject.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from cardops.adapters.postgresql.errors import DatabaseUnavailableError
from cardops.rules.authorizations.decisions import StoreUnavailableError

MAX_SESSIONS: Final = 8
# Open from the start: a session's first hundredths of a second are no request's to wait for.
MIN_SESSIONS: Final = 3
CONNECT_TIMEOUT_SECONDS: Final = 5.0
# One attempt at a batch or a move; the request's own deadline is longer.
COMMAND_TIMEOUT_SECONDS: Final = 5.0
MAX_ATTEMPTS: Final = 4

Session: TypeAlias = PoolConnectionProxy
Pool: TypeAlias = asyncpg.Pool

# Tables grow from nothing under prepared plans, so a plan that scans is never the right one.
SERVER_SETTINGS: Final = {
    "application_name": "cardops authorizer",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "lock_timeout": "3s",
    "statement_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
}

# Lost connections and conflicts: nothing is wrong with the question, so it may be asked again.
TRANSIENT_ERRORS: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.PostgresConnectionError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    # A connection that a crash left between two states says this of whatever comes next.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


async def open_pool(url: str, *, max_size: int = MAX_SESSIONS) -> Pool:
    """Sessions on the database. Raises DatabaseUnavailableError."""
    try:
        return await asyncpg.create_pool(
            url,
            min_size=min(MIN_SESSIONS, max_size),
            max_size=max_size,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            server_settings=SERVER_SETTINGS,
            reset=_leave_as_it_is,
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailableError(
            f"The database cannot be reached: {error}; check that it runs and that "
            "CARDOPS_DATABASE_URL names it."
        ) from None


@asynccontextmanager
async def transaction(pool: Pool, begin: str = "begin") -> AsyncIterator[Session]:
    """A session inside one transaction, committed at the end of the block, else undone."""
    async with pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as session:
        try:
            await session.execute(begin)
            yield session
            await session.execute("commit")
        except BaseException:
            await _undo(session)
            raise


@contextmanager
def store_errors_translated() -> Iterator[None]:
    """What the database could not do in time is StoreUnavailableError: nothing of the asker's."""
    try:
        yield
    except TRANSIENT_ERRORS as error:
        raise StoreUnavailableError from error


async def _undo(session: Session) -> None:
    """Roll back, or drop the connection where that is not certain: the server then rolls back."""
    with suppress(*TRANSIENT_ERRORS, asyncpg.PostgresError):
        if not session.is_closed():
            await session.execute("rollback", timeout=1.0)
            return
    session.terminate()


async def _leave_as_it_is(session: asyncpg.Connection) -> None:
    """Nothing here changes a session's state, so a round trip to reset it would buy nothing."""
