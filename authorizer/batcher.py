"""Group commit: whatever asked while the last batches were under way is the next batch.

No timer and no added delay; one batcher a process. Two batches may be under way, so that one is
decided here while the database works on the other; an account or an id is in one of them only.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final

from cardops.ports import Authorizations
from cardops.rules.authorization import UNDECIDED, AccountKey, Answer, IdKey, Question

MAX_BATCH: Final = 256
MAX_UNDER_WAY: Final = 2
# More than this cannot be answered before their deadline; refusing at once is kinder.
MAX_WAITING: Final = 8_192
# Passed over because their account is busy; looking further would cost more than it finds.
MAX_PASSED_OVER: Final = 512

logger = logging.getLogger(__name__)


class _Waiting:
    """A question on its way to its answer."""

    __slots__ = ("future", "question")

    def __init__(self, question: Question, future: "asyncio.Future[Answer]") -> None:
        self.question = question
        self.future = future


class Batcher:
    """Questions wait here for their turn; each is answered from a commit, or `undecided`."""

    def __init__(self, authorizations: Authorizations) -> None:
        self._authorizations = authorizations
        self._waiting: deque[_Waiting] = deque()
        self._busy: set[AccountKey | IdKey] = set()
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> Answer:
        """The question's answer."""
        if len(self._waiting) >= MAX_WAITING:
            return UNDECIDED
        loop = asyncio.get_running_loop()
        one = _Waiting(question, loop.create_future())
        self._waiting.append(one)
        if self._under_way < MAX_UNDER_WAY:
            self._under_way += 1
            task = loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await one.future

    async def drain(self) -> None:
        """Returns once all who wait are answered."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def _work(self) -> None:
        try:
            while batch := self._next_batch():
                keys = _keys_of(batch)
                self._busy |= keys
                try:
                    await self._answer(batch)
                finally:
                    self._busy -= keys
        finally:
            # Here and not in a callback: who asks before that ran would wait for nobody.
            self._under_way -= 1

    def _next_batch(self) -> list[_Waiting]:
        """Those who wait, in order, but none whose account or id is under way."""
        batch: list[_Waiting] = []
        passed_over: list[_Waiting] = []
        waiting, busy = self._waiting, self._busy
        while waiting and len(batch) < MAX_BATCH and len(passed_over) < MAX_PASSED_OVER:
            one = waiting.popleft()
            if one.future.done():  # its deadline passed while it waited: it is not even asked
                continue
            question = one.question
            if busy and (question.account_key in busy or question.id_key in busy):
                passed_over.append(one)
            else:
                batch.append(one)
        waiting.extendleft(reversed(passed_over))
        return batch

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        try:
            answers = await self._authorizations.decide([one.question for one in batch])
        except Exception:
            # Whatever it was, the neighbours of the next batch are not to wait for ever.
            logger.exception("a batch could not be decided")
            answers = [UNDECIDED] * len(batch)
        for one, answer in zip(batch, answers, strict=True):
            if not one.future.done():
                one.future.set_result(answer)


def _keys_of(batch: Sequence[_Waiting]) -> set[AccountKey | IdKey]:
    keys: set[AccountKey | IdKey] = set()
    for one in batch:
        keys.add(one.question.account_key)
        keys.add(one.question.id_key)
    return keys
