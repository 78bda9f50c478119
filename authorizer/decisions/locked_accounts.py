"""Work on accounts that another session has locked waits here, and delays nothing else.

No database session waits with it: while there is such work, one statement asks every few
milliseconds which of the accounts are free again.
"""

import asyncio
import logging
from typing import Final

from authorizer.decisions.queues import AnyPending, BatchQueue, SharedKeys
from cardops.ports import Authorizations
from cardops.rules.authorizations.decisions import AccountKey, StoreUnavailableError

CHECK_SECONDS: Final = 0.03

logger = logging.getLogger(__name__)


class LockedAccounts:
    """Gives work back to its queue once its account is free."""

    def __init__(self, authorizations: Authorizations, shared: SharedKeys) -> None:
        self._authorizations = authorizations
        self._shared = shared
        self._checking: asyncio.Task[None] | None = None
        shared.on_locked = self._start

    @property
    def is_at_work(self) -> bool:
        """Whether work waits here."""
        return self._checking is not None

    def has(self, account: AccountKey) -> bool:
        """Whether the account is known to be locked."""
        return account in self._shared.locked

    def answer_received_before(self, instant: float) -> None:
        """Answer work `undecided` that was received before the instant."""
        for waiting in self._shared.locked.values():
            for queue, pending in waiting:
                if pending.received_at < instant:
                    pending.respond(queue.undecided)

    async def drain(self) -> None:
        """Return once no work waits here."""
        while self._checking is not None:
            await asyncio.wait([self._checking])

    def _start(self) -> None:
        if self._checking is None:
            self._checking = asyncio.get_running_loop().create_task(self._check())

    async def _check(self) -> None:
        try:
            while self._shared.locked:
                await asyncio.sleep(CHECK_SECONDS)
                self._forget_answered()
                await self._release_free()
        finally:
            self._checking = None

    async def _release_free(self) -> None:
        accounts = list(self._shared.locked)
        locked = await self._still_locked(accounts)
        for account in accounts:
            if account not in locked:
                self._release(account)

    async def _still_locked(self, accounts: list[AccountKey]) -> set[AccountKey]:
        try:
            return set(await self._authorizations.locked_accounts(accounts))
        except StoreUnavailableError:
            # The queues answer for the store as a whole.
            return set()
        except Exception:
            logger.exception("it could not be read which accounts are locked")
            return set()

    def _forget_answered(self) -> None:
        for account, waiting in [*self._shared.locked.items()]:
            while waiting and waiting[0][1].is_answered:
                waiting.popleft()
            if not waiting:
                del self._shared.locked[account]

    def _release(self, account: AccountKey) -> None:
        by_queue: dict[BatchQueue[object, object], list[AnyPending]] = {}
        for queue, pending in self._shared.locked.pop(account, ()):
            by_queue.setdefault(queue, []).append(pending)
        for queue, again in by_queue.items():
            queue.submit_first(again)
