"""Group commit: requests that arrive while a batch is being decided form the next batch.

There is no timer and no added delay, and one batcher per process. Two batches may be in flight, so
that one is decided here while the database works on the other. An account or a transaction id is
in one of them only, so batches never deadlock.
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
MAX_BATCHES_IN_FLIGHT: Final = 2
# A second batch pays off only from this many requests on.
MIN_SHARE: Final = 16
# Back-pressure: more requests than this cannot be decided before their deadline, so they are
# refused at once.
MAX_WAITING: Final = 8_192
# Requests skipped because their account is busy. Searching further costs more than it finds.
MAX_SKIPPED: Final = 512
DEADLINE_SECONDS: Final = 3.0
# One timer for all requests, instead of one each; it runs only while requests are waiting.
OVERDUE_CHECK_SECONDS: Final = 0.05

logger = logging.getLogger(__name__)


class PendingRequest:
    """A request that waits for its response; `respond` delivers exactly one."""

    __slots__ = ("_on_response", "is_answered", "keys", "received_at", "request")

    def __init__(
        self,
        request: AuthorizationRequest,
        on_response: Callable[[AuthorizationResponse], None],
    ) -> None:
        self.request = request
        self.keys = (request.account_key, request.id_key)
        self.received_at = time.monotonic()
        self.is_answered = False
        self._on_response = on_response

    def respond(self, response: AuthorizationResponse) -> None:
        """Deliver the response, unless one was delivered before. A caller's failure is logged."""
        if self.is_answered:
            return
        self.is_answered = True
        try:
            self._on_response(response)
        except Exception:
            logger.exception("an authorization response could not be delivered")


class Batcher:
    """Decides requests in batches. Every response comes from a commit, or is `undecided`."""

    def __init__(
        self, authorizations: Authorizations, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._authorizations = authorizations
        self._deadline_seconds = deadline_seconds
        self._waiting: deque[PendingRequest] = deque()
        self._in_flight: dict[int, Sequence[PendingRequest]] = {}
        self._busy_keys: set[AccountKey | IdKey] = set()
        self._worker_count = 0
        self._workers: set[asyncio.Task[None]] = set()
        self._overdue_check: asyncio.TimerHandle | None = None
        # Called after each batch with its number of requests and its seconds.
        self.on_batch: Callable[[int, float], None] = lambda _count, _seconds: None

    @property
    def waiting_count(self) -> int:
        """Requests that are in no batch yet."""
        return len(self._waiting)

    async def decide(self, request: AuthorizationRequest) -> AuthorizationResponse:
        """The response to the request; `undecided` past the deadline."""
        future: asyncio.Future[AuthorizationResponse] = asyncio.get_running_loop().create_future()

        def resolve(response: AuthorizationResponse) -> None:
            if not future.done():
                future.set_result(response)

        self.submit(request, resolve)
        return await future

    def submit(
        self,
        request: AuthorizationRequest,
        on_response: Callable[[AuthorizationResponse], None],
    ) -> None:
        """Call `on_response` once with the response; it is `undecided` past the deadline."""
        if len(self._waiting) >= MAX_WAITING:
            on_response(UNDECIDED)
            return
        self._waiting.append(PendingRequest(request, on_response))
        loop = asyncio.get_running_loop()
        if self._worker_count < MAX_BATCHES_IN_FLIGHT:
            self._worker_count += 1
            worker = loop.create_task(self._decide_batches())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        if self._overdue_check is None:
            self._overdue_check = loop.call_later(OVERDUE_CHECK_SECONDS, self._answer_overdue)

    async def drain(self) -> None:
        """Return once every request that was submitted has its response."""
        while self._workers:
            await asyncio.wait(list(self._workers))

    async def _decide_batches(self) -> None:
        try:
            while batch := self._next_batch():
                keys = {key for pending in batch for key in pending.keys}
                self._busy_keys |= keys
                self._in_flight[id(batch)] = batch
                try:
                    await self._decide_batch(batch)
                finally:
                    self._busy_keys -= keys
                    del self._in_flight[id(batch)]
        finally:
            # Not in a done callback: a request submitted before that callback runs would find no
            # free worker, and would wait although none is running.
            self._worker_count -= 1

    def _next_batch(self) -> list[PendingRequest]:
        """The oldest requests whose account and id are in no other batch.

        At most an even share of all unanswered requests. Clients that are answered send their next
        request at once, so without the limit everything would soon be in one batch, and the other
        worker would be idle.
        """
        batch: list[PendingRequest] = []
        skipped: list[PendingRequest] = []
        waiting, busy_keys = self._waiting, self._busy_keys
        unanswered = len(waiting) + sum(map(len, self._in_flight.values()))
        share = max(math.ceil(unanswered / MAX_BATCHES_IN_FLIGHT), MIN_SHARE)
        accounts: set[AccountKey] = set()
        while waiting and len(batch) < MAX_BATCH and len(skipped) < MAX_SKIPPED:
            pending = waiting.popleft()
            account, transaction = pending.keys
            if pending.is_answered:  # its deadline passed: the store need not decide it
                continue
            is_busy = account in busy_keys or transaction in busy_keys
            # Requests of one account gain nothing from being in different batches.
            if is_busy or (len(batch) >= share and account not in accounts):
                skipped.append(pending)
            else:
                batch.append(pending)
                accounts.add(account)
        waiting.extendleft(reversed(skipped))
        return batch

    async def _decide_batch(self, batch: Sequence[PendingRequest]) -> None:
        started = time.perf_counter()
        try:
            responses = await self._authorizations.decide([pending.request for pending in batch])
        except Exception:
            # The next batch must go on, whatever failed here.
            logger.exception("a batch could not be decided")
            responses = [UNDECIDED] * len(batch)
        self.on_batch(len(batch), time.perf_counter() - started)
        # Deferred, so that the next batch is on its way to the database while these are written.
        asyncio.get_running_loop().call_soon(_respond, batch, responses)

    def _answer_overdue(self) -> None:
        """Answer requests past their deadline `undecided`; repeats while requests are waiting."""
        self._overdue_check = None
        oldest_in_time = time.monotonic() - self._deadline_seconds
        for batch in [self._waiting, *self._in_flight.values()]:
            for pending in _received_before(oldest_in_time, batch):
                pending.respond(UNDECIDED)
        if self._waiting or self._in_flight:
            loop = asyncio.get_running_loop()
            self._overdue_check = loop.call_later(OVERDUE_CHECK_SECONDS, self._answer_overdue)


def _respond(batch: Sequence[PendingRequest], responses: Sequence[AuthorizationResponse]) -> None:
    for pending, response in zip(batch, responses, strict=True):
        pending.respond(response)


def _received_before(instant: float, batch: Iterable[PendingRequest]) -> list[PendingRequest]:
    """The requests of a batch received before the instant; a batch is in order of arrival."""
    overdue: list[PendingRequest] = []
    for pending in batch:
        if pending.received_at >= instant:
            break
        overdue.append(pending)
    return overdue
