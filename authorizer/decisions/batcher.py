"""The one way to the books: decisions and actions, in queues of their own.

Belongs here: which queues there are, and what is answered at its deadline. How a queue forms batches
is in queues, which actions are admitted in actions.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from authorizer.decisions.actions import ActionIntake
from authorizer.decisions.locked_accounts import LockedAccounts
from authorizer.decisions.queues import BatchQueue, Pending, SharedKeys
from cardops.ports import Authorizations
from cardops.rules.authorizations.actions import ActionResponse, AuthorizationAction
from cardops.rules.authorizations.decisions import (
    LOCKED,
    UNDECIDED,
    AuthorizationRequest,
    AuthorizationResponse,
)
from cardops.rules.authorizations.records import OverdueHold

# Back-pressure: more requests than this cannot be decided before their deadline, so they are
# refused at once.
MAX_WAITING: Final = 8_192
DEADLINE_SECONDS: Final = 3.0
# One timer for all work, instead of one each; it runs only while work is waiting.
OVERDUE_CHECK_SECONDS: Final = 0.05

T = TypeVar("T")


class Batcher:
    """Decides requests and applies actions in batches, one batcher per process."""

    def __init__(
        self, authorizations: Authorizations, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._deadline_seconds = deadline_seconds
        shared = SharedKeys()
        self.decisions: BatchQueue[AuthorizationRequest, AuthorizationResponse] = BatchQueue(
            authorizations.decide, shared, undecided=UNDECIDED, locked=LOCKED
        )
        self._locked = LockedAccounts(authorizations, shared)
        self.actions = ActionIntake(authorizations, shared, self._locked)
        self._overdue_check: asyncio.TimerHandle | None = None

    @property
    def waiting_count(self) -> int:
        """Requests that are in no batch yet."""
        return len(self.decisions.waiting)

    async def decide(self, request: AuthorizationRequest) -> AuthorizationResponse:
        """The response to the request; `undecided` past the deadline."""
        future, resolve = _future(AuthorizationResponse)
        self.submit(request, resolve)
        return await future

    def submit(
        self,
        request: AuthorizationRequest,
        on_response: Callable[[AuthorizationResponse], None],
    ) -> None:
        """Call `on_response` once with the response; it is `undecided` past the deadline."""
        if len(self.decisions.waiting) >= MAX_WAITING:
            on_response(UNDECIDED)
            return
        self.decisions.submit(Pending(request, request.account_key, request.id_key, on_response))
        self._watch_deadlines()

    async def apply(self, action: AuthorizationAction) -> ActionResponse:
        """The response to the action; `undecided` past the deadline, and at once where too many wait."""
        future, resolve = _future(ActionResponse)
        self.submit_action(action, resolve)
        return await future

    def submit_action(
        self, action: AuthorizationAction, on_response: Callable[[ActionResponse], None]
    ) -> None:
        """The same with a callback, which is called once."""
        self.actions.submit(action, on_response)
        self._watch_deadlines()

    async def expire(self, holds: Sequence[OverdueHold]) -> list[ActionResponse]:
        """Release these holds in one batch; one whose account is locked is not waited for."""
        futures = []
        for hold in holds:
            future, resolve = _future(ActionResponse)
            self.actions.submit_expiry(hold, resolve)
            futures.append(future)
        self._watch_deadlines()
        return list(await asyncio.gather(*futures))

    async def drain(self) -> None:
        """Return once all that was submitted has its response."""
        while self._is_at_work():
            await self.actions.drain()
            await self._locked.drain()
            await self.decisions.drain()
            await asyncio.sleep(0)

    def _is_at_work(self) -> bool:
        return self.decisions.is_at_work or self.actions.is_at_work or self._locked.is_at_work

    def _watch_deadlines(self) -> None:
        if self._overdue_check is None:
            self._overdue_check = asyncio.get_running_loop().call_later(
                OVERDUE_CHECK_SECONDS, self._answer_overdue
            )

    def _answer_overdue(self) -> None:
        """Answer work past its deadline `undecided`; repeats while there is work."""
        self._overdue_check = None
        oldest_in_time = time.monotonic() - self._deadline_seconds
        for part in (self.decisions, self.actions, self._locked):
            part.answer_received_before(oldest_in_time)
        if self._is_at_work():
            self._watch_deadlines()


def _future(_kind: type[T]) -> "tuple[asyncio.Future[T], Callable[[T], None]]":
    """A future and what resolves it; whoever waited for it may have gone."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def resolve(outcome: T) -> None:
        if not future.done():
            future.set_result(outcome)

    return future, resolve
