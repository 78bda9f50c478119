"""Group commit: whatever asked while the last batches were under way is the next batch.

No timer and no added delay; one batcher a process. A few batches may be under way, so that one is
decided here while the database works on the others; an account or an id is in one of them only.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from cardops.ports import Authorizations
from cardops.rules.authorizations.decisions import (
    UNDECIDED,
    AccountKey,
    AuthorizationRequest,
    AuthorizationResponse,
    IdKey,
)

MAX_BATCH: Final = 256
MAX_UNDER_WAY: Final = 2
# Fewer than this are not worth a batch of their own.
MIN_SHARE: Final = 16
# More than this cannot be answered before their deadline; refusing at once is kinder.
MAX_WAITING: Final = 8_192
# Passed over because their account is busy; looking further would cost more than it finds.
MAX_PASSED_OVER: Final = 512
DEADLINE_SECONDS: Final = 3.0
# How often those past their deadline are looked for, while anybody waits.
LOOK_SECONDS: Final = 0.05

logger = logging.getLogger(__name__)


class Waiting:
    """A question on its way to its answer, which is told once."""

    __slots__ = ("_tell", "asked_at", "is_answered", "keys", "request")

    def __init__(
        self, request: AuthorizationRequest, tell: Callable[[AuthorizationResponse], None]
    ) -> None:
        self.request = request
        self.keys = (request.account_key, request.id_key)
        self.asked_at = time.monotonic()
        self.is_answered = False
        self._tell = tell

    def response(self, response: AuthorizationResponse) -> None:
        """Tell it, unless it was told another before; a caller's failure is nobody else's."""
        if self.is_answered:
            return
        self.is_answered = True
        try:
            self._tell(response)
        except Exception:
            logger.exception("an answer could not be handed over")


class Batcher:
    """Questions wait here for their turn; each is answered from a commit, or `undecided`."""

    def __init__(
        self, authorizations: Authorizations, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._authorizations = authorizations
        self._deadline_seconds = deadline_seconds
        self._waiting: deque[Waiting] = deque()
        self._asked: dict[int, Sequence[Waiting]] = {}
        self._busy: set[AccountKey | IdKey] = set()
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._look: asyncio.TimerHandle | None = None
        # Told of each batch: how many questions, how many seconds.
        self.on_batch: Callable[[int, float], None] = lambda _count, _seconds: None

    @property
    def waiting_count(self) -> int:
        """Questions that no batch has taken yet."""
        return len(self._waiting)

    async def ask(self, request: AuthorizationRequest) -> AuthorizationResponse:
        """The question's answer; `undecided` past the deadline."""
        future: asyncio.Future[AuthorizationResponse] = asyncio.get_running_loop().create_future()
        self.put(request, lambda response: None if future.done() else future.set_result(response))
        return await future

    def put(
        self, request: AuthorizationRequest, tell: Callable[[AuthorizationResponse], None]
    ) -> None:
        """Have `tell` called with the question's answer, `undecided` past the deadline."""
        if len(self._waiting) >= MAX_WAITING:
            tell(UNDECIDED)
            return
        self._waiting.append(Waiting(request, tell))
        loop = asyncio.get_running_loop()
        if self._under_way < MAX_UNDER_WAY:
            self._under_way += 1
            task = loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._look is None:
            self._look = loop.call_later(LOOK_SECONDS, self._give_up_on_overdue)

    async def drain(self) -> None:
        """Returns once all who wait are answered."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def _work(self) -> None:
        try:
            while batch := self._next_batch():
                keys = {key for one in batch for key in one.keys}
                self._busy |= keys
                self._asked[id(batch)] = batch
                try:
                    await self._answer(batch)
                finally:
                    self._busy -= keys
                    del self._asked[id(batch)]
        finally:
            # Here and not in a callback: who asks before that ran would wait for nobody.
            self._under_way -= 1

    def _next_batch(self) -> list[Waiting]:
        """Those who wait, in order, but none whose account or id is under way.

        No more than an even share of all who are not answered yet: who is answered at once asks
        again at once, and the batches would soon be one, and nothing beside it.
        """
        batch: list[Waiting] = []
        passed_over: list[Waiting] = []
        waiting, busy = self._waiting, self._busy
        unanswered = len(waiting) + sum(map(len, self._asked.values()))
        share = max(math.ceil(unanswered / MAX_UNDER_WAY), MIN_SHARE)
        accounts: set[AccountKey] = set()
        while waiting and len(batch) < MAX_BATCH and len(passed_over) < MAX_PASSED_OVER:
            one = waiting.popleft()
            account, transaction = one.keys
            if one.is_answered:  # its deadline passed while it waited: it is not even asked
                continue
            is_busy = account in busy or transaction in busy
            # One account's questions gain nothing by being apart.
            if is_busy or (len(batch) >= share and account not in accounts):
                passed_over.append(one)
            else:
                batch.append(one)
                accounts.add(account)
        waiting.extendleft(reversed(passed_over))
        return batch

    async def _answer(self, batch: Sequence[Waiting]) -> None:
        started = time.perf_counter()
        try:
            responses = await self._authorizations.decide([one.request for one in batch])
        except Exception:
            # Whatever it was, the neighbours of the next batch are not to wait for ever.
            logger.exception("a batch could not be decided")
            responses = [UNDECIDED] * len(batch)
        self.on_batch(len(batch), time.perf_counter() - started)
        # A moment later: the next batch is on its way to the database while these are answered.
        asyncio.get_running_loop().call_soon(_tell, batch, responses)

    def _give_up_on_overdue(self) -> None:
        """Tell who waited too long that nothing is known; the next look is while anybody waits."""
        self._look = None
        before = time.monotonic() - self._deadline_seconds
        for batch in [self._waiting, *self._asked.values()]:
            for one in _asked_before(before, batch):
                one.response(UNDECIDED)
        if self._waiting or self._asked:
            loop = asyncio.get_running_loop()
            self._look = loop.call_later(LOOK_SECONDS, self._give_up_on_overdue)


def _tell(batch: Sequence[Waiting], responses: Sequence[AuthorizationResponse]) -> None:
    for one, response in zip(batch, responses, strict=True):
        one.response(response)


def _asked_before(instant: float, batch: Iterable[Waiting]) -> list[Waiting]:
    """Those of the batch that asked before the instant; they stand in the order they asked in."""
    overdue: list[Waiting] = []
    for one in batch:
        if one.asked_at >= instant:
            break
        overdue.append(one)
    return overdue
