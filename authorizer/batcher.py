"""Group commit: whatever asked while the last batch was under way is the next batch.

No timer and no added delay; one batcher a process.
"""

import asyncio
import logging
from collections import deque
from typing import Final

from cardops.ports import Authorizations
from cardops.rules.authorization import UNDECIDED, Answer, Question

MAX_BATCH: Final = 256
# More than this cannot be answered before their deadline; refusing at once is kinder.
MAX_WAITING: Final = 8_192

logger = logging.getLogger(__name__)


class Batcher:
    """Questions wait here for their turn; each is answered from a commit, or `undecided`."""

    def __init__(self, authorizations: Authorizations) -> None:
        self._authorizations = authorizations
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Answer:
        """The question's answer."""
        if len(self._waiting) >= MAX_WAITING:
            return UNDECIDED
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await future

    async def drain(self) -> None:
        """Returns once all who wait are answered."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._answer(self._next_batch())
        finally:
            self._task = None

    def _next_batch(self) -> list[tuple[Question, asyncio.Future[Answer]]]:
        batch: list[tuple[Question, asyncio.Future[Answer]]] = []
        while self._waiting and len(batch) < MAX_BATCH:
            question, future = self._waiting.popleft()
            if not future.done():  # its deadline passed while it waited: it is not even asked
                batch.append((question, future))
        return batch

    async def _answer(self, batch: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._authorizations.decide([question for question, _ in batch])
        except Exception:
            # Whatever it was, the neighbours of the next batch are not to wait for ever.
            logger.exception("a batch could not be decided")
            answers = [UNDECIDED] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
