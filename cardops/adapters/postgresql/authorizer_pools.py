"""The sessions of an authorizer: how many for what, so that nothing takes those of decisions.

Belongs here: numbers of sessions. How a session is opened is in sessions.py.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from cardops.adapters.postgresql import reads
from cardops.adapters.postgresql.readiness import Readiness
from cardops.adapters.postgresql.sessions import Pool, open_pool

# Two batches in flight, two look-ups of keys, one look for locked accounts.
DECISION_SESSIONS: Final = 5
# Two batches of actions, one of early voids, a look-up of their accounts, and two for callbacks and
# the sweeper. Those of reads are in reads.py.
ACTION_SESSIONS: Final = 6
# A batch waits this long for an account that somebody else has locked; then the others go on
# without its members.
BATCH_LOCK_TIMEOUT: Final = "150ms"


@dataclass(frozen=True, slots=True)
class AuthorizerPools:
    """Sessions by what they are for; the one of `readiness` does not depend on a pool."""

    decisions: Pool
    actions: Pool
    readers: Pool
    readiness: Readiness

    def in_use(self) -> int:
        """How many sessions of the pools are in use."""
        pools = (self.decisions, self.actions, self.readers)
        return sum(pool.get_size() - pool.get_idle_size() for pool in pools)


@asynccontextmanager
async def authorizer_pools(url: str) -> AsyncIterator[AuthorizerPools]:
    """The pools until the block ends. Raises DatabaseUnavailableError."""
    async with AsyncExitStack() as stack:
        readiness = Readiness(url)
        stack.callback(readiness.terminate)

        async def opened(size: int, **settings: str) -> Pool:
            pool = await open_pool(url, max_size=size, **settings)
            stack.callback(pool.terminate)
            return pool

        yield AuthorizerPools(
            decisions=await opened(DECISION_SESSIONS, lock_timeout=BATCH_LOCK_TIMEOUT),
            actions=await opened(ACTION_SESSIONS, lock_timeout=BATCH_LOCK_TIMEOUT),
            readers=await opened(
                reads.SESSIONS,
                application_name="cardops reads",
                statement_timeout=reads.STATEMENT_TIMEOUT,
                default_transaction_read_only="on",
            ),
            readiness=readiness,
        )
