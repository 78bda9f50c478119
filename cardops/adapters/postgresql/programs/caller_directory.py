"""The callers that API keys belong to, as the authorizer reads them."""

import asyncio
from typing import Final

import asyncpg

from cardops.adapters.postgresql.readiness import Readiness
from cardops.adapters.postgresql.sessions import TRANSIENT_ERRORS, Pool
from cardops.rules.authorizations.decisions import StoreUnavailableError
from cardops.rules.programs.api_keys import Caller

# Keys are looked up on the sessions of decisions, which must not run out of them.
MAX_LOOKUPS: Final = 2

_FIND_CALLER = """
select
    k.key_id, k.program, k.is_test, k.scopes, k.secret_sha256, p.currency,
    array(select h.host from callback_hosts as h where h.program = k.program) as hosts
from api_keys as k
inner join programs as p on p.program = k.program
where k.key_id = $1 and k.revoked_at is null
"""


class PostgresCallerDirectory:
    """Implements cardops.ports.CallerDirectory; reads the key anew at every call."""

    def __init__(self, pool: Pool, readiness: Readiness) -> None:
        self._pool = pool
        self._sessions = asyncio.Semaphore(MAX_LOOKUPS)
        self._readiness = readiness

    async def find_caller(self, key_id: str) -> Caller | None:
        """The caller of a live key; None where unknown or revoked. Raises StoreUnavailableError."""
        try:
            async with self._sessions:
                row = await self._pool.fetchrow(_FIND_CALLER, key_id)
        except (*TRANSIENT_ERRORS, asyncpg.PostgresError) as error:
            raise StoreUnavailableError from error
        if row is None:
            return None
        return Caller(
            key_id=row["key_id"],
            program=row["program"],
            is_test=row["is_test"],
            scopes=frozenset(row["scopes"]),
            secret_sha256=row["secret_sha256"],
            currency=row["currency"],
            callback_hosts=frozenset(row["hosts"]),
        )

    async def is_ready(self) -> bool:
        """Whether the database responds, even if the pool is fully in use."""
        return await self._readiness.is_ready()
