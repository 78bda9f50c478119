"""The authorizer's asynchronous sessions: a pool that plans by key, and which errors are retried.

Belongs here: how asyncpg is opened and what its errors mean. No table of any subject.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from cardops.adapters.postgresql.errors import DatabaseUnavailableError
from cardops.rules.authorizations.decisions import StoreUnavailableError

MAX_SESSIONS: Final = 8
# Opened at the start, so that no request waits for a new session.
MIN_SESSIONS: Final = 3
CONNECT_TIMEOUT_SECONDS: Final = 5.0
# For one attempt at a batch or an action; the request's own deadline is longer.
COMMAND_TIMEOUT_SECONDS: Final = 5.0
MAX_ATTEMPTS: Final = 4  # guard: retry

Session: TypeAlias = PoolConnectionProxy
Pool: TypeAlias = asyncpg.Pool

# Tables grow from empty while plans stay prepared, so a plan with a scan is never right.
SERVER_SETTINGS: Final = {
    "application_name": "cardops authorizer",
    # Snapshots younger than the statement's table locks (authorizations/writers.py).
    "default_transaction_isolation": "read committed",  # guard: sessions-read-committed
    "jit": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "lock_timeout": "3s",
    "statement_timeout": "5s",
    # A process that is stopped in a transaction keeps its locks no longer than others wait for them.
    "idle_in_transaction_session_timeout": "3s",
}

# Lost connections and conflicts: the request itself is fine and may be retried.
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
    # asyncpg raises this on a connection that a crash left in an inconsistent state.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


async def open_pool(url: str, *, max_size: int = MAX_SESSIONS, **settings: str) -> Pool:
    """A pool of sessions, with these settings in place of the usual. Raises DatabaseUnavailableError."""
    try:
        return await asyncpg.create_pool(
            url,
            min_size=min(MIN_SESSIONS, max_size),
            max_size=max_size,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            server_settings={**SERVER_SETTINGS, **settings},
            reset=_skip_reset,
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnavailableError(
            f"The database cannot be reached: {error}; check that it runs and that "
            "CARDOPS_DATABASE_URL names it."
        ) from None


@asynccontextmanager
async def transaction(pool: Pool, begin: str = "begin") -> AsyncIterator[Session]:
    """A session in one transaction: committed at the end of the block, rolled back on an error."""
    async with pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as session:
        try:
            await session.execute(begin)
            yield session
            await session.execute("commit")
        except BaseException:
            await _roll_back(session)
            raise


@contextmanager
def store_errors_translated() -> Iterator[None]:
    """Turn transient database errors in the block into StoreUnavailableError."""
    try:
        yield
    except TRANSIENT_ERRORS as error:
        raise StoreUnavailableError from error


async def _roll_back(session: Session) -> None:
    """Roll back; where that fails, drop the connection, which makes the server roll back."""
    with suppress(*TRANSIENT_ERRORS, asyncpg.PostgresError):
        if not session.is_closed():
            await session.execute("rollback", timeout=1.0)
            return
    session.terminate()


async def _skip_reset(session: asyncpg.Connection) -> None:
    """No code here changes a session's state, so resetting it would waste a round trip."""
