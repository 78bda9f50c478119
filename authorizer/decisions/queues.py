"""Group commit: work that arrives while a batch is in progress forms the next batch of its queue.

A queue has its own batches in flight, so that a slow or crowded queue does not delay another. There is no timer and no added delay. Two batches may be in flight, so that one is decided
here while the database works on the other. An account or a transaction id is in one batch only, of
all queues together, so the batches of a process never conflict.

Belongs here: queues and batches, whatever the work is.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeAlias, TypeVar

from cardops.rules.authorizations.decisions import AccountKey, IdKey

MAX_BATCH: Final = 256
MAX_BATCHES_IN_FLIGHT: Final = 2
# A second batch pays off only from this many members on.
MIN_SHARE: Final = 16
# Members skipped because their account is busy. Searching further costs more than it finds.
MAX_SKIPPED: Final = 512

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")

logger = logging.getLogger(__name__)


class Pending(Generic[Work, Outcome]):
    """Work that waits for its outcome; `respond` delivers exactly one.

    `account` is None where the work's authorization is unknown.
    """

    __slots__ = (
        "_on_outcome", "account", "id_key", "is_answered", "may_wait_for_account", "received_at",
        "work",
    )  # fmt: skip

    def __init__(
        self,
        work: Work,
        account: AccountKey | None,
        id_key: IdKey,
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        self.work = work
        self.account = account
        self.id_key = id_key
        self.received_at = time.monotonic()
        self.is_answered = False
        self.may_wait_for_account = True
        self._on_outcome = on_outcome

    def respond(self, outcome: Outcome) -> None:
        """Deliver the outcome, unless one was delivered before. A caller's failure is logged."""
        if self.is_answered:
            return
        self.is_answered = True
        try:
            self._on_outcome(outcome)
        except Exception:
            logger.exception("a response could not be delivered")


AnyPending: TypeAlias = Pending[Any, Any]


@dataclass(slots=True)
class SharedKeys:
    """What the queues of a process tell each other."""

    # Accounts and ids of the batches in flight.
    busy: set[AccountKey | IdKey | None] = field(default_factory=set)
    queues: "list[BatchQueue[Any, Any]]" = field(default_factory=list)
    # Accounts that another session has locked, with the work that waits for them, in order.
    locked: "dict[AccountKey, deque[tuple[BatchQueue[Any, Any], AnyPending]]]" = field(
        default_factory=dict
    )
    # Called when an account is found locked.
    on_locked: Callable[[], None] = lambda: None


class BatchQueue(Generic[Work, Outcome]):
    """A queue with its batches in flight. Every outcome comes from a commit, or is `undecided`."""

    def __init__(
        self,
        decide: Callable[[Sequence[Work]], Awaitable[Sequence[Outcome]]],
        shared: SharedKeys,
        *,
        undecided: Outcome,
        locked: Outcome,
        batches_in_flight: int = MAX_BATCHES_IN_FLIGHT,
    ) -> None:
        self.undecided = undecided
        self.locked = locked
        self.waiting: deque[Pending[Work, Outcome]] = deque()
        self.in_flight: dict[int, Sequence[Pending[Work, Outcome]]] = {}
        # Called after each batch with its number of members and its seconds.
        self.on_batch: Callable[[int, float], None] = lambda _count, _seconds: None
        self._batches_in_flight = batches_in_flight
        self._decide = decide
        self._shared = shared
        self._worker_count = 0
        self._workers: set[asyncio.Task[None]] = set()
        shared.queues.append(self)

    @property
    def is_at_work(self) -> bool:
        """Whether a worker is running, or work waits for one."""
        return bool(self._workers or self.waiting or self.in_flight)

    def submit(self, pending: Pending[Work, Outcome]) -> None:
        """Put the work into the next batch that has place for it."""
        self.waiting.append(pending)
        self.start()

    def submit_first(self, again: Iterable[Pending[Work, Outcome]]) -> None:
        """Put work that has waited for its account before all other work."""
        self.waiting.extendleft(reversed([*again]))
        self.start()

    def start(self) -> None:
        """Start another worker, unless all are at work."""
        if self._worker_count < self._batches_in_flight:
            self._worker_count += 1
            worker = asyncio.get_running_loop().create_task(self._decide_batches())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def drain(self) -> None:
        """Return once all workers have ended."""
        while self._workers:
            await asyncio.wait(list(self._workers))

    def answer_received_before(self, instant: float) -> None:
        """Answer work `undecided` that was received before the instant."""
        for batch in [self.waiting, *self.in_flight.values()]:
            for pending in _received_before(instant, batch):
                pending.respond(self.undecided)

    async def _decide_batches(self) -> None:
        try:
            while batch := self._next_batch():
                keys = {key for pending in batch for key in (pending.account, pending.id_key)}
                keys.discard(None)
                self._shared.busy |= keys
                self.in_flight[id(batch)] = batch
                try:
                    await self._decide_batch(batch)
                finally:
                    self._shared.busy -= keys
                    del self.in_flight[id(batch)]
                    self._wake_others()
        finally:
            # Not in a done callback: work submitted before that callback runs would find no free
            # worker, and would wait although none is running.
            self._worker_count -= 1

    def _wake_others(self) -> None:
        """Other queues may have skipped work because of this queue's batch."""
        for queue in self._shared.queues:
            if queue is not self and queue.waiting:
                queue.start()

    def _next_batch(self) -> list[Pending[Work, Outcome]]:
        """The oldest work whose account and id are in no other batch.

        At most an even share of all unanswered work. Clients that are answered send their next
        request at once, so without the limit everything would soon be in one batch, and the other
        worker would be idle.
        """
        batch: list[Pending[Work, Outcome]] = []
        skipped: list[Pending[Work, Outcome]] = []
        waiting, busy, locked = self.waiting, self._shared.busy, self._shared.locked
        unanswered = len(waiting) + sum(map(len, self.in_flight.values()))
        share = max(math.ceil(unanswered / self._batches_in_flight), MIN_SHARE)
        accounts: set[AccountKey | None] = set()
        while waiting and len(batch) < MAX_BATCH and len(skipped) < MAX_SKIPPED:
            pending = waiting.popleft()
            if pending.is_answered:  # its deadline passed: the store need not decide it
                continue
            account = pending.account
            if locked and account in locked:
                self._on_locked(pending)
                continue
            is_busy = account in busy or pending.id_key in busy
            # Work on one account gains nothing from being in different batches.
            if is_busy or (len(batch) >= share and account not in accounts):
                skipped.append(pending)
            else:
                batch.append(pending)
                accounts.add(account)
        waiting.extendleft(reversed(skipped))
        return batch

    async def _decide_batch(self, batch: Sequence[Pending[Work, Outcome]]) -> None:
        started = time.perf_counter()
        try:
            outcomes = await self._decide([pending.work for pending in batch])
        except Exception:
            # The next batch must go on, whatever failed here.
            logger.exception("a batch could not be decided")
            outcomes = [self.undecided] * len(batch)
        self.on_batch(len(batch), time.perf_counter() - started)
        # In reverse, each before the others: work on one account stays in order.
        for pending, outcome in zip(reversed(batch), reversed(outcomes), strict=True):
            if outcome is self.locked:
                self._on_locked(pending, is_first=True)
        # Deferred, so that the next batch is on its way to the database while these are written.
        asyncio.get_running_loop().call_soon(self._respond, batch, outcomes)

    def _on_locked(self, pending: Pending[Work, Outcome], *, is_first: bool = False) -> None:
        """Let the work wait until its account is free, without delaying other work."""
        if pending.account is None or not pending.may_wait_for_account:
            pending.respond(self.locked)
            return
        waiting = self._shared.locked.setdefault(pending.account, deque())
        (waiting.appendleft if is_first else waiting.append)((self, pending))
        self._shared.on_locked()

    def _respond(
        self, batch: Sequence[Pending[Work, Outcome]], outcomes: Sequence[Outcome]
    ) -> None:
        for pending, outcome in zip(batch, outcomes, strict=True):
            if outcome is not self.locked:
                pending.respond(outcome)


def _received_before(instant: float, batch: Iterable[AnyPending]) -> list[AnyPending]:
    """The work of a batch received before the instant; a batch is in order of arrival."""
    overdue: list[AnyPending] = []
    for pending in batch:
        if pending.received_at >= instant:
            break
        overdue.append(pending)
    return overdue
