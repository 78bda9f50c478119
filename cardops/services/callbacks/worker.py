"""Sends callbacks: leases due ones per host queue, signs and posts them, has results stored."""

import asyncio
import logging
import random
import time
from types import TracebackType
from typing import Final, Self

from cardops.rules.authorizations.traces import AttemptedCallback
from cardops.rules.callbacks.callbacks import (
    Callback,
    CallbackResponse,
    CallbackResult,
    CallbackState,
    attempt_result,
)
from cardops.rules.callbacks.endpoints import host_queue_key
from cardops.services.callbacks.callback_ports import CallbackPorts
from cardops.services.callbacks.host_queues import MAX_IN_FLIGHT, HostQueue, HostQueues, Pace
from cardops.services.callbacks.results import ResultWriter
from cardops.services.callbacks.signing import CallbackSigner, UnsignedError

LOGGER: Final = logging.getLogger("cardops.callbacks")
MAX_LEASED: Final = 256
MAX_LEASED_PACED: Final = 32
# Longer than all leased callbacks of a host queue can take, so that no lease expires under a call.
LEASE_SECONDS: Final = 60.0
# A callback that has not started by then is released: its call could outlast the lease.
START_SECONDS: Final = 45.0
IDLE_SECONDS: Final = 0.5
BUSY_SECONDS: Final = 0.05
FAILED_SECONDS: Final = 5.0
# After this many calls have ended it is worth leasing the next batch.
WAKE_COUNT: Final = 32
DRAIN_SECONDS: Final = 11.0


class CallbackWorker:
    """One of any number of workers; each callback is leased by one of them at a time."""

    def __init__(self, ports: CallbackPorts, *, pace: Pace | None = None) -> None:
        self._ports = ports
        self._signer = CallbackSigner(ports.secrets)
        self._pace = pace
        self._max_leased = MAX_LEASED if pace is None else MAX_LEASED_PACED
        self._queues = HostQueues()
        self._results = ResultWriter(ports.outbox)
        self._calls: set[asyncio.Task[None]] = set()
        self._unsent: list[Callback] = []
        self._ended = 0
        self._wake = asyncio.Event()
        self._is_stopping = False
        # Callbacks leased so far, dead ones included.
        self.count = 0

    async def __aenter__(self) -> Self:
        """Does nothing; the work begins with `run` or `work_once`."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancel calls in flight; their leases expire."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def work_once(self) -> int:
        """Send one batch of due callbacks and store its results; returns the batch's size."""
        count = await self._lease()
        await asyncio.gather(*self._calls)
        await self._results.flush()
        await self._release()
        return count

    async def run(self) -> None:
        """Send due callbacks until `stop`; a failure never ends it.

        The next batch is leased while the last one is still being sent.
        """
        while not self._is_stopping:
            try:
                await self._release()
                count = await self._lease()
            except Exception:
                LOGGER.exception("callbacks could not be leased; it will be tried again")
                await self._pause(FAILED_SECONDS)
                continue
            if count < self._max_leased:
                is_idle = not count and not self._calls
                await self._pause(IDLE_SECONDS if is_idle else BUSY_SECONDS)
        await self._drain()

    def stop(self) -> None:
        """Lease nothing more; `run` returns once the calls in flight have ended."""
        self._is_stopping = True
        self._wake.set()

    async def _lease(self) -> int:
        limit = min(MAX_IN_FLIGHT - self._queues.in_flight - self._results.count, self._max_leased)
        if limit <= 0:
            return 0
        at, started = self._ports.clock.now(), time.monotonic()
        callbacks = await self._ports.outbox.lease_due(
            at, limit, LEASE_SECONDS, self._queues.capacity()
        )
        for callback in callbacks:
            self.count += 1
            if callback.state is CallbackState.DEAD:
                self._count_attempt(callback.state)
                continue
            host_queue = self._queues.add(host_queue_key(callback.program, callback.url))
            call = asyncio.create_task(self._send(callback, host_queue, started + START_SECONDS))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return len(callbacks)

    async def _send(self, callback: Callback, host_queue: HostQueue, start_by: float) -> None:
        try:
            async with host_queue.calls:
                if self._pace is not None:
                    await self._pace.wait()
                if self._is_stopping or time.monotonic() > start_by:
                    self._unsent.append(callback)
                    return
                await self._attempt(callback, host_queue)
        finally:
            self._queues.remove(host_queue)
            self._ended += 1
            if self._ended >= WAKE_COUNT:
                self._wake.set()

    async def _attempt(self, callback: Callback, host_queue: HostQueue) -> None:
        started = time.monotonic()
        try:
            response = await self._post(callback)
        except UnsignedError as error:
            response = CallbackResponse(error=str(error), is_local_failure=True)
        except Exception:
            LOGGER.exception("a callback could not be sent")
            response = CallbackResponse(
                error="Internal error; see the log of the worker.", is_local_failure=True
            )
        seconds = time.monotonic() - started
        if not response.is_local_failure:
            has_responded = response.status_code is not None
            self._queues.adapt(host_queue, has_responded=has_responded, seconds=seconds)
        jitter = random.random()  # noqa: S311 - spreads load, no secret depends on it
        result = attempt_result(
            callback,
            response,
            self._ports.clock.now(),
            jitter,
            duration_milliseconds=round(seconds * 1000),
        )
        self._results.add(result)
        self._report(callback, result, seconds)

    async def _post(self, callback: Callback) -> CallbackResponse:
        headers = await self._signer.headers(callback, self._ports.clock.now())
        if callback.request_id:
            headers["x-request-id"] = callback.request_id
        return await self._ports.sender.post(
            callback.url, callback.body, headers, is_test=callback.is_test
        )

    def _report(self, callback: Callback, result: CallbackResult, seconds: float) -> None:
        self._count_attempt(result.state)
        if self._ports.tracing is not None:
            self._ports.tracing.emit(
                AttemptedCallback(
                    callback.program,
                    result.state,
                    result.attempt_count,
                    seconds,
                    result.status_code,
                    callback.request_id,
                )
            )

    def _count_attempt(self, state: CallbackState) -> None:
        if self._ports.metrics is not None:
            self._ports.metrics.called_back(state)

    async def _pause(self, seconds: float) -> None:
        """Wait until enough calls have ended to lease more, but no longer than `seconds`."""
        self._ended = 0
        if not self._is_stopping:
            self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _drain(self) -> None:
        """Let calls in flight end; callbacks that were not started are released at once."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=DRAIN_SECONDS)
        await self._results.flush()
        try:
            await self._release()
        except Exception:
            LOGGER.exception("unsent callbacks could not be released")

    async def _release(self) -> None:
        if self._unsent:
            unsent, self._unsent = self._unsent, []
            await self._ports.outbox.release(unsent, self._ports.clock.now())
