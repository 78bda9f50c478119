"""How a batch of decisions or actions is tried until each member has its result.

Belongs here: which failure leads to which next attempt, the same for decisions and actions.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import asyncpg

from cardops.adapters.postgresql.authorizations import action_sql
from cardops.adapters.postgresql.authorizations.action_rows import columns_of
from cardops.adapters.postgresql.authorizations.limit_rows import OvertakenError
from cardops.adapters.postgresql.sessions import (
    CONNECT_TIMEOUT_SECONDS,
    MAX_ATTEMPTS,
    TRANSIENT_ERRORS,
    Pool,
)
from cardops.rules.authorizations.decisions import AccountKey

Member = TypeVar("Member")
Result = TypeVar("Result")

# Another process was first, or the guard refused what the rule permitted, or a column cannot hold a
# value: the members are decided one by one, so that only the one at fault fails.
CONFLICTS: Final = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, ValueError)
# What was read has changed: the write statement divides by zero (sql.py), or the count of limits
# notices it before.
OVERTAKEN: Final = (asyncpg.DivisionByZeroError, OvertakenError)


@dataclass(frozen=True, slots=True)
class Attempts(Generic[Member, Result]):
    """What a batch is tried with.

    `attempt` decides members in one commit; its second argument counts from 0. `alone` decides one
    and never fails. `accounts_of` names the members' accounts by place.
    """

    attempt: Callable[[Sequence[Member], int], Awaitable[Sequence[Result]]]
    alone: Callable[[Member], Awaitable[Result]]
    accounts_of: Callable[[Mapping[int, Member]], Awaitable[Mapping[int, AccountKey]]]
    undecided: Result
    locked: Result

    async def results(self, pool: Pool, members: Sequence[Member]) -> list[Result]:
        """One result per member, in order.

        Members whose account another session has locked do not delay the others: they are `locked`.
        """
        results = dict.fromkeys(range(len(members)), self.undecided)
        left = dict(enumerate(members))
        for number in range(MAX_ATTEMPTS):
            if not left:
                break
            try:
                done = await self._decided(left, number)
            except asyncpg.LockNotAvailableError:
                for place in await self._locked_places(pool, left):  # guard: locked-apart
                    results[place] = self.locked
                    del left[place]
            except (*OVERTAKEN, *TRANSIENT_ERRORS) as error:
                # Another attempt would keep the next batch waiting; the callers retry.
                if isinstance(error, TimeoutError):
                    break
            else:
                results.update(done)
                break
        return [results[place] for place in range(len(members))]

    async def _decided(self, left: Mapping[int, Member], number: int) -> dict[int, Result]:
        try:
            done = await self.attempt([*left.values()], number)
        except OVERTAKEN:  # one of them is a DataError, too
            raise
        except CONFLICTS:
            # guard-begin: members-alone
            done = [await self.alone(member) for member in left.values()]
            # guard-end: members-alone
        return dict(zip(left, done, strict=True))

    async def _locked_places(self, pool: Pool, left: Mapping[int, Member]) -> list[int]:
        # Where this fails too, the next attempt shows what is wrong.
        with suppress(*TRANSIENT_ERRORS):
            accounts = await self.accounts_of(left)
            locked = await locked_accounts(pool, set(accounts.values()))
            return [place for place in left if accounts.get(place) in locked]
        return []


async def locked_accounts(pool: Pool, accounts: Collection[AccountKey]) -> set[AccountKey]:
    """The accounts that another session has locked; it waits for none of them."""
    async with pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as session:
        rows = await session.fetch(action_sql.LOCKED_ACCOUNTS, *columns_of(accounts, 3))
    return {tuple(row) for row in rows}
