"""Sends what is owed: takes due callbacks lane by lane, signs them, calls, has results written."""

import asyncio
import random
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from authorizer.callbacks.client import CallbackClient
from authorizer.callbacks.host_queues import MAX_IN_HAND, HostQueues, Pace, QueueInFlight
from authorizer.callbacks.results import ResultWriter
from authorizer.callbacks.signing import CallbackSigner, UnsignedError
from authorizer.logs import LOGGER
from authorizer.metrics import Metrics
from cardops.ports import CallbackOutbox, Clock, SecretStore
from cardops.rules.authorizations.traces import AttemptedCallback
from cardops.rules.callbacks.callbacks import Callback, CallbackState, Response, verdict
from cardops.rules.callbacks.endpoints import host_queue_of

MAX_TAKEN: Final = 256
MAX_TAKEN_PACED: Final = 32
# Longer than what is in hand of a lane can take, so that no lease ends under its holder.
LEASE_SECONDS: Final = 60.0
# What could not be started by then is given back, not sent: its call would outlast its lease.
START_SECONDS: Final = 45.0
IDLE_SECONDS: Final = 0.5
BUSY_SECONDS: Final = 0.05
FAILED_SECONDS: Final = 5.0
# As many ended make it worth while to take again.
ENOUGH_ENDED: Final = 32
DRAIN_SECONDS: Final = 11.0


class CallbackWorker:
    """One of any number; each callback is with one of them at a time."""

    def __init__(
        self,
        outbox: CallbackOutbox,
        secrets: SecretStore,
        clock: Clock,
        *,
        allow_loopback: bool = False,
        metrics: Metrics | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._metrics = metrics
        self._signer = CallbackSigner(secrets)
        self._client = CallbackClient(allow_loopback=allow_loopback)
        self._pace = pace
        self._max_taken = MAX_TAKEN if pace is None else MAX_TAKEN_PACED
        self._lanes = HostQueues()
        self._results = ResultWriter(outbox)
        self._calls: set[asyncio.Task[None]] = set()
        self._unsent: list[Callback] = []
        self._ended = 0
        self._wake = asyncio.Event()
        self._is_stopping = False
        self.count = 0
        # Told of each attempt.
        self.on_attempt: Callable[[AttemptedCallback], None] = lambda _attempt: None

    async def __aenter__(self) -> Self:
        """Opens nothing yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends what is under way, and closes connections."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._client.close()

    async def work_once(self) -> int:
        """Send what is due, up to a limit, and write down what became of it; how many."""
        taken = await self._take()
        await asyncio.gather(*self._calls)
        await self._results.flush()
        await self._give_back()
        return taken

    async def run(self) -> None:
        """Send what is due and what becomes due, until `stop`; a failure never ends it.

        The next batch is taken while the last is still being sent.
        """
        while not self._is_stopping:
            try:
                await self._give_back()
                taken = await self._take()
            except Exception:  # noqa: BLE001 - whatever it was, the next round may go well
                LOGGER.exception("callbacks could not be taken; it is tried again")
                await self._pause(FAILED_SECONDS)
                continue
            if taken < self._max_taken:
                is_idle = not taken and not self._calls
                await self._pause(IDLE_SECONDS if is_idle else BUSY_SECONDS)
        await self._drain()

    def stop(self) -> None:
        """Take nothing more; `run` returns once what is under way has ended."""
        self._is_stopping = True
        self._wake.set()

    async def _take(self) -> int:
        limit = min(MAX_IN_HAND - self._lanes.in_hand - self._results.count, self._max_taken)
        if limit <= 0:
            return 0
        at, started = self._clock.now(), time.monotonic()
        taken = await self._outbox.take_due(at, limit, LEASE_SECONDS, self._lanes.room())
        for callback in taken:
            self.count += 1
            if callback.state is CallbackState.DEAD:
                self._told(callback.state)
                continue
            host_queue = self._lanes.enter(host_queue_of(callback.program, callback.url))
            call = asyncio.create_task(self._send(callback, host_queue, started + START_SECONDS))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return len(taken)

    async def _send(self, callback: Callback, host_queue: QueueInFlight, start_by: float) -> None:
        try:
            async with host_queue.at_once:
                if self._pace is not None:
                    await self._pace.turn()
                if self._is_stopping or time.monotonic() > start_by:
                    self._unsent.append(callback)
                    return
                await self._attempt(callback, host_queue)
        finally:
            self._lanes.leave(host_queue)
            self._ended += 1
            if self._ended >= ENOUGH_ENDED:
                self._wake.set()

    async def _attempt(self, callback: Callback, host_queue: QueueInFlight) -> None:
        started = time.monotonic()
        try:
            response = await self._call(callback)
        except UnsignedError as error:
            response = Response(error=str(error), is_our_fault=True)
        except Exception:  # noqa: BLE001 - one callback must not end the worker
            LOGGER.exception("a callback failed here")
            response = Response(error="Something broke here; see the log.", is_our_fault=True)
        seconds = time.monotonic() - started
        if not response.is_our_fault:
            has_answered = response.status_code is not None
            self._lanes.learn(host_queue, has_answered=has_answered, seconds=seconds)
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        result = verdict(
            callback,
            response,
            self._clock.now(),
            jitter,
            duration_milliseconds=round(seconds * 1000),
        )
        self._results.add(result)
        self._told(result.state)
        self.on_attempt(
            AttemptedCallback(
                callback.program,
                result.state,
                result.attempt_count,
                seconds,
                result.status_code,
                callback.request_id,
            )
        )

    async def _call(self, callback: Callback) -> Response:
        headers = await self._signer.headers(callback, self._clock.now())
        if callback.request_id:
            headers["x-request-id"] = callback.request_id
        return await self._client.post(
            callback.url, callback.body, headers, is_test=callback.is_test
        )

    async def _pause(self, seconds: float) -> None:
        """Until enough has ended to make room, but no longer than this."""
        self._ended = 0
        if not self._is_stopping:
            self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _drain(self) -> None:
        """Let calls under way end; what was not started goes back at once."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=DRAIN_SECONDS)
        await self._results.flush()
        try:
            await self._give_back()
        except Exception:  # noqa: BLE001 - their leases give them back by time
            LOGGER.exception("callbacks that were not sent could not be given back")

    async def _give_back(self) -> None:
        if self._unsent:
            unsent, self._unsent = self._unsent, []
            await self._outbox.give_back(unsent, self._clock.now())

    def _told(self, state: CallbackState) -> None:
        if self._metrics is not None:
            self._metrics.called_back(state)
