"""Who may come in: the key is proved, has the scope, and has not asked too often."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from authorizer.api.problems import ProblemError, unavailable
from cardops.ports import CallerDirectory
from cardops.rules.programs.api_keys import (
    Caller,
    PresentedKey,
    Scope,
    is_verified,
    parse_bearer,
)
from cardops.rules.programs.rate_limits import TokenBucket

# A revoked key works no longer than this.
CACHE_SECONDS: Final = 1.0
MAX_CACHED_KEYS: Final = 10_000
# Made-up keys are looked up few at a time: the store's sessions are for those who have one.
MAX_STRANGERS_AT_ONCE: Final = 2
MAX_STRANGERS_WAITING: Final = 512


@dataclass(slots=True)
class _Entry:
    caller: Caller
    until: float
    bucket: TokenBucket


class Authenticator:
    """Callers by key id, read again every second. Unknown keys are not remembered."""

    def __init__(
        self,
        callers: CallerDirectory,
        *,
        requests_per_second: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._callers = callers
        self._rate = requests_per_second
        self._monotonic = monotonic
        self._entries: dict[str, _Entry] = {}
        self._reading: dict[str, asyncio.Task[_Entry | None]] = {}
        self._strangers = 0
        self._stranger_turn = asyncio.Semaphore(MAX_STRANGERS_AT_ONCE)

    async def enter(self, authorization: str, scope: Scope) -> Caller:
        """The caller. Raises ProblemError (401, 403, 429), StoreUnavailableError."""
        presented = parse_bearer(authorization)
        entry = None if presented is None else await self._entry(presented.key_id)
        return self._admitted(presented, entry, scope)

    def enter_known(self, authorization: str, scope: Scope) -> Caller | None:
        """The same without waiting; None where the key has to be looked up. Raises ProblemError."""
        presented = parse_bearer(authorization)
        entry = None if presented is None else self._fresh(presented.key_id)
        if presented is not None and entry is None:
            return None
        return self._admitted(presented, entry, scope)

    def _admitted(
        self, presented: PresentedKey | None, entry: _Entry | None, scope: Scope
    ) -> Caller:
        if presented is None or entry is None or not is_verified(presented, entry.caller):
            raise ProblemError(
                "unauthorized",
                "There is no live key in the Authorization header.",
                headers={"www-authenticate": "Bearer"},
            )
        if scope.value not in entry.caller.scopes:
            raise ProblemError("forbidden", f"This key lacks the scope {scope.value}.")
        wait = entry.bucket.take(self._monotonic())
        if wait:
            raise ProblemError(
                "too-many-requests",
                f"This key may ask {self._rate:g} times a second.",
                headers={"retry-after": str(math.ceil(wait))},
            )
        return entry.caller

    def _fresh(self, key_id: str) -> _Entry | None:
        entry = self._entries.get(key_id)
        return entry if entry is not None and self._monotonic() < entry.until else None

    async def _entry(self, key_id: str) -> _Entry | None:
        fresh = self._fresh(key_id)
        if fresh is not None:
            return fresh
        reading = self._reading.get(key_id)
        if reading is None:
            # Of all who ask with a key whose second is over, one reads it for all.
            reading = asyncio.create_task(self._read(key_id, self._entries.get(key_id)))
            self._reading[key_id] = reading
            reading.add_done_callback(lambda task: self._has_read(key_id, task))
        # One who gives up must not take the answer from the others.
        return await asyncio.shield(reading)

    def _has_read(self, key_id: str, task: "asyncio.Task[_Entry | None]") -> None:
        self._reading.pop(key_id, None)
        if not task.cancelled():
            task.exception()  # seen here, for the case that everybody who asked gave up

    async def _read(self, key_id: str, entry: _Entry | None) -> _Entry | None:
        now = self._monotonic()
        caller = await (self._stranger if entry is None else self._callers.find_caller)(key_id)
        if caller is None:
            self._entries.pop(key_id, None)
            return None
        if len(self._entries) >= MAX_CACHED_KEYS:
            self._entries.clear()
        bucket = entry.bucket if entry else TokenBucket(self._rate, max(self._rate, 1.0), now)
        self._entries[key_id] = _Entry(caller, now + CACHE_SECONDS, bucket)
        return self._entries[key_id]

    async def _stranger(self, key_id: str) -> Caller | None:
        """A key not seen lately waits for its turn among its like. Raises ProblemError (503)."""
        if self._strangers >= MAX_STRANGERS_WAITING:
            raise unavailable("Too many unknown keys ask at once.")
        self._strangers += 1
        try:
            async with self._stranger_turn:
                return await self._callers.find_caller(key_id)
        finally:
            self._strangers -= 1
