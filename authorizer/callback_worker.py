"""Sends what is owed: takes due callbacks, signs them, calls, records what became of each."""

import asyncio
import random
from types import TracebackType
from typing import Final, Self

from authorizer.callback_client import CallbackClient
from authorizer.metrics import Metrics
from cardops.ports import CallbackOutbox, Clock, SecretStore
from cardops.rules.callback_secrets import live_secrets, secret_name
from cardops.rules.callbacks import Callback, CallbackResult, Response, sign, verdict

MAX_TAKEN: Final = 100
MAX_AT_ONCE: Final = 32
# Longer than a call may take, so that a lease never ends under its holder.
LEASE_SECONDS: Final = 120.0


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
    ) -> None:
        self._outbox = outbox
        self._secrets = secrets
        self._clock = clock
        self._client = CallbackClient(allow_loopback=allow_loopback)
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)
        self._metrics = metrics

    async def __aenter__(self) -> Self:
        """Opens nothing yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes connections."""
        await self._client.close()

    async def work_once(self) -> int:
        """Send what is due, up to a limit; how many were taken."""
        taken = await self._outbox.take_due(self._clock.now(), MAX_TAKEN, LEASE_SECONDS)
        secrets = {program: await self._live(program) for program in {c.program for c in taken}}
        calls = [self._attempt(callback, secrets[callback.program]) for callback in taken]
        # Each is recorded as it ends: a slow partner keeps nobody else's success from the books.
        for ended in asyncio.as_completed(calls):
            await self._outbox.record([await ended])
        return len(taken)

    async def _live(self, program: str) -> list[str]:
        return live_secrets(await asyncio.to_thread(self._secrets.get, secret_name(program)))

    async def _attempt(self, callback: Callback, secrets: list[str]) -> CallbackResult:
        async with self._at_once:
            response = await self._call(callback, secrets)
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        result = verdict(callback, response, self._clock.now(), jitter)
        if self._metrics is not None:
            self._metrics.called_back(result.state)
        return result

    async def _call(self, callback: Callback, secrets: list[str]) -> Response:
        if not secrets:
            return Response(
                error=f"The program {callback.program} has no callback secret; make one with "
                f"`cardops program rotate-secret {callback.program}`."
            )
        headers = sign(callback.callback_id, self._clock.now(), callback.body, secrets)
        return await self._client.post(
            callback.url, callback.body, headers, is_test=callback.is_test
        )
