"""Actions on their way into their queue: counted, limited, and joined with their accounts.

An action names an authorization, not an account. Its account is looked up first, so that actions on
a locked account can be kept apart and limited, and no batch of decisions is on the same account.
Actions on authorizations that have not arrived have a queue of their own: a void among them waits for
the decisions that are being written (postgresql/authorizations/voided_ids.py).
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from authorizer.decisions.locked_accounts import LockedAccounts
from authorizer.decisions.queues import MAX_BATCH, BatchQueue, Pending, SharedKeys
from cardops.ports import Authorizations
from cardops.rules.authorizations.actions import (
    LOCKED_ACTION,
    UNDECIDED_ACTION,
    ActionKind,
    ActionResponse,
    AuthorizationAction,
)
from cardops.rules.authorizations.decisions import AccountKey, StoreUnavailableError
from cardops.rules.authorizations.records import OverdueHold

# Back-pressure: an action above these numbers is refused at once, so that one caller's actions never
# delay those of others for long.
MAX_WAITING_ACTIONS: Final = 1_024
MAX_WAITING_UNSEEN: Final = 256
MAX_WAITING_PER_ACCOUNT: Final = 512
MAX_WAITING_PER_LOCKED_ACCOUNT: Final = 16

PendingAction: TypeAlias = Pending[AuthorizationAction, ActionResponse]
ActionQueue: TypeAlias = BatchQueue[AuthorizationAction, ActionResponse]

logger = logging.getLogger(__name__)


class ActionIntake:
    """Admits actions to their queue; every action gets exactly one response."""

    def __init__(
        self, authorizations: Authorizations, shared: SharedKeys, locked: LockedAccounts
    ) -> None:
        self._authorizations = authorizations
        self._queue: ActionQueue = BatchQueue(
            authorizations.apply, shared, undecided=UNDECIDED_ACTION, locked=LOCKED_ACTION
        )
        self._unseen_queue: ActionQueue = BatchQueue(
            authorizations.apply,
            shared,
            undecided=UNDECIDED_ACTION,
            locked=LOCKED_ACTION,
            batches_in_flight=1,
        )
        self._locked = locked
        # Actions whose account is not looked up yet.
        self._arrived: deque[PendingAction] = deque()
        self._being_located: Sequence[PendingAction] = ()
        self._locating: asyncio.Task[None] | None = None
        self.waiting_count = 0
        self._by_account: Counter[AccountKey] = Counter()

    @property
    def is_at_work(self) -> bool:
        """Whether there is an action without a response."""
        queues = (self._queue, self._unseen_queue)
        return self._locating is not None or any(queue.is_at_work for queue in queues)

    def submit(
        self, action: AuthorizationAction, on_response: Callable[[ActionResponse], None]
    ) -> None:
        """Call `on_response` once with the response."""
        if self.waiting_count >= MAX_WAITING_ACTIONS:
            on_response(UNDECIDED_ACTION)
            return
        self.waiting_count += 1
        pending: PendingAction

        def respond(response: ActionResponse) -> None:
            self._uncount(pending.account)
            on_response(response)

        pending = Pending(action, None, action.id_key, respond)
        self._arrived.append(pending)
        if self._locating is None:
            self._locating = asyncio.get_running_loop().create_task(self._locate())

    def submit_expiry(
        self, hold: OverdueHold, on_response: Callable[[ActionResponse], None]
    ) -> None:
        """The same for an expired hold, which does not count, and does not wait for its account."""
        action = AuthorizationAction(ActionKind.EXPIRE, hold.program, hold.transaction_id)
        pending = Pending(action, hold.account_key, action.id_key, on_response)
        pending.may_wait_for_account = False
        self._queue.submit(pending)

    def answer_received_before(self, instant: float) -> None:
        """Answer actions `undecided` that were received before the instant."""
        self._queue.answer_received_before(instant)
        self._unseen_queue.answer_received_before(instant)
        for pending in [*self._being_located, *self._arrived]:
            if pending.received_at < instant:
                pending.respond(UNDECIDED_ACTION)

    async def drain(self) -> None:
        """Return once all actions are out of the queue."""
        while self._locating is not None:
            await asyncio.wait([self._locating])
        await self._queue.drain()
        await self._unseen_queue.drain()

    async def _locate(self) -> None:
        try:
            while self._arrived:
                self._being_located = [
                    self._arrived.popleft() for _ in range(min(len(self._arrived), MAX_BATCH))
                ]
                await self._locate_batch(self._being_located)
        finally:
            self._being_located = ()
            self._locating = None

    async def _locate_batch(self, batch: Sequence[PendingAction]) -> None:
        try:
            accounts = await self._authorizations.accounts_of({pending.id_key for pending in batch})
        except StoreUnavailableError:
            accounts = None
        except Exception:
            logger.exception("the accounts of actions could not be read")
            accounts = None
        for pending in batch:
            if accounts is None:
                pending.respond(UNDECIDED_ACTION)
            elif not pending.is_answered:
                self._admit(pending, accounts.get(pending.id_key))

    def _admit(self, pending: PendingAction, account: AccountKey | None) -> None:
        if self._is_crowded(account):
            pending.respond(UNDECIDED_ACTION)
        elif account is None:
            self._unseen_queue.submit(pending)
        else:
            pending.account = account
            self._by_account[account] += 1
            self._queue.submit(pending)

    def _is_crowded(self, account: AccountKey | None) -> bool:
        if account is None:
            return len(self._unseen_queue.waiting) >= MAX_WAITING_UNSEEN
        is_locked = self._locked.has(account)
        limit = MAX_WAITING_PER_LOCKED_ACCOUNT if is_locked else MAX_WAITING_PER_ACCOUNT
        return self._by_account[account] >= limit

    def _uncount(self, account: AccountKey | None) -> None:
        self.waiting_count -= 1
        if account is not None:
            self._by_account[account] -= 1
            if not self._by_account[account]:
                del self._by_account[account]
