"""Reads of the HTTP API that decide nothing, on sessions of their own.

A read that is slow, or many of them, take these sessions and no others: decisions, actions and
callbacks go on. Each read ends within READ_SECONDS, one way or the other.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final, TypeVar

import asyncpg

from cardops.adapters.postgresql.authorizations.authorizations import PostgresAuthorizations
from cardops.adapters.postgresql.callbacks.outbox import PostgresCallbackOutbox
from cardops.adapters.postgresql.sessions import Pool
from cardops.rules.accounts.ledger import Account
from cardops.rules.authorizations.decisions import ReadTimeoutError, StoreUnavailableError
from cardops.rules.authorizations.records import AuthorizationView
from cardops.rules.callbacks.callbacks import Callback

SESSIONS: Final = 3
# Every read is a few index steps; one that takes this long meets a lock or a server in trouble.
STATEMENT_TIMEOUT: Final = "1s"
# With the wait for a session; well within the deadline of a request, as cancelling takes time too.
READ_SECONDS: Final = 1.5

Result = TypeVar("Result")


class PostgresReads:
    """Implements cardops.ports.Reads."""

    def __init__(self, pool: Pool) -> None:
        self._authorizations = PostgresAuthorizations(pool)
        self._outbox = PostgresCallbackOutbox(pool)

    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        """The stored decision with its present state."""
        return await _in_time(self._authorizations.find(program, transaction_id))

    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        """The user's accounts by currency."""
        return await _in_time(self._authorizations.accounts(program, user_id))

    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        """A page, newest first, and the next cursor."""
        return await _in_time(self._outbox.list_callbacks(program, state, cursor, limit))


async def _in_time(read: Awaitable[Result]) -> Result:
    """Raises ReadTimeoutError, or StoreUnavailableError where the database does not respond."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await read
    except TimeoutError:
        raise ReadTimeoutError from None
    except StoreUnavailableError as error:
        if isinstance(error.__cause__, asyncpg.QueryCanceledError):
            raise ReadTimeoutError from error
        raise
