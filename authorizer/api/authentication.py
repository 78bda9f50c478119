"""Authenticate API keys: the secret is verified, the scope present, the rate not exceeded."""

import asyncio
import hashlib
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

# A revoked key is accepted for at most this long.
CACHE_SECONDS: Final = 1.0
# A key in use is read again before its entry expires: the requests of that moment need not wait.
REFRESH_SECONDS: Final = 0.5
MAX_CACHED_KEYS: Final = 10_000
# Keys that are not cached are looked up few at a time, so that a flood of made-up keys cannot take
# the database sessions of authenticated callers.
MAX_CONCURRENT_LOOKUPS: Final = 2
MAX_WAITING_LOOKUPS: Final = 512


@dataclass(slots=True)
class _Entry:
    caller: Caller
    refresh_at: float
    expires_at: float
    bucket: TokenBucket


class Authenticator:
    """Callers by key id, cached for `CACHE_SECONDS`. Unknown keys are not cached."""

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
        # Headers whose secret was verified, by their SHA-256. A digest tells nothing about a secret,
        # so looking it up needs no constant time.
        self._verified: dict[bytes, _Entry] = {}
        self._reading: dict[str, asyncio.Task[_Entry | None]] = {}
        self._lookup_count = 0
        self._lookup_slots = asyncio.Semaphore(MAX_CONCURRENT_LOOKUPS)

    async def authenticate(self, authorization: str, scope: Scope) -> Caller:
        """The caller. Raises ProblemError (401, 403, 429), StoreUnavailableError."""
        presented = parse_bearer(authorization)
        entry = None if presented is None else await self._entry(presented.key_id)
        return self._authorized(presented, entry, scope)

    def authenticate_cached(self, authorization: str, scope: Scope) -> Caller | None:
        """The same without waiting; None if the key is not cached. Raises ProblemError."""
        digest = hashlib.sha256(authorization.encode()).digest()
        verified, now = self._verified.get(digest), self._monotonic()
        if verified is not None and now < verified.expires_at:
            if now >= verified.refresh_at:
                self._refresh(verified)
            return self._admitted(verified, scope, now)
        presented = parse_bearer(authorization)
        entry = None if presented is None else self._fresh(presented.key_id)
        if presented is not None and entry is None:
            return None
        caller = self._authorized(presented, entry, scope)
        if entry is not None:
            self._remember(digest, entry)
        return caller

    def _remember(self, digest: bytes, entry: _Entry) -> None:
        if len(self._verified) >= MAX_CACHED_KEYS:
            self._verified.clear()
        self._verified[digest] = entry

    def _authorized(
        self, presented: PresentedKey | None, entry: _Entry | None, scope: Scope
    ) -> Caller:
        if presented is None or entry is None or not is_verified(presented, entry.caller):
            raise ProblemError(
                "unauthorized",
                "The Authorization header has no valid API key.",
                headers={"www-authenticate": "Bearer"},
            )
        return self._admitted(entry, scope, self._monotonic())

    def _admitted(self, entry: _Entry, scope: Scope, now: float) -> Caller:
        """The caller of a verified key. Raises ProblemError (403, 429)."""
        if scope not in entry.caller.scopes:
            raise ProblemError("forbidden", f"This key lacks the scope {scope.value}.")
        wait_seconds = entry.bucket.take(now)
        if wait_seconds:
            raise ProblemError(
                "too-many-requests",
                f"This key is limited to {self._rate:g} requests per second.",
                headers={"retry-after": str(math.ceil(wait_seconds))},
            )
        return entry.caller

    def _fresh(self, key_id: str) -> _Entry | None:
        entry = self._entries.get(key_id)
        return entry if entry is not None and self._monotonic() < entry.expires_at else None

    async def _entry(self, key_id: str) -> _Entry | None:
        fresh = self._fresh(key_id)
        if fresh is not None:
            return fresh
        # A cancelled request must not cancel the read for the others.
        return await asyncio.shield(self._start_reading(key_id))

    def _refresh(self, entry: _Entry) -> None:
        """Read a key again while its entry is still used; a failure leaves that to its end."""
        entry.refresh_at = entry.expires_at
        self._start_reading(entry.caller.key_id)

    def _start_reading(self, key_id: str) -> "asyncio.Task[_Entry | None]":
        """The read of this key: concurrent requests with the same expired key share one."""
        reading = self._reading.get(key_id)
        if reading is None:
            reading = asyncio.create_task(self._read(key_id, self._entries.get(key_id)))
            self._reading[key_id] = reading
            reading.add_done_callback(lambda task: self._on_read(key_id, task))
        return reading

    def _on_read(self, key_id: str, task: "asyncio.Task[_Entry | None]") -> None:
        self._reading.pop(key_id, None)
        if not task.cancelled():
            task.exception()  # retrieved here in case every waiting request was cancelled

    async def _read(self, key_id: str, entry: _Entry | None) -> _Entry | None:
        now = self._monotonic()
        caller = await (self._look_up if entry is None else self._callers.find_caller)(key_id)
        if entry is not None:
            entry.expires_at = now  # `_verified` may still have it
        if caller is None:
            self._entries.pop(key_id, None)
            return None
        if len(self._entries) >= MAX_CACHED_KEYS:
            self._entries.clear()
        bucket = entry.bucket if entry else TokenBucket(self._rate, max(self._rate, 1.0), now)
        self._entries[key_id] = _Entry(caller, now + REFRESH_SECONDS, now + CACHE_SECONDS, bucket)
        return self._entries[key_id]

    async def _look_up(self, key_id: str) -> Caller | None:
        """The caller of a key that is not cached. Raises ProblemError (503) if too many wait."""
        if self._lookup_count >= MAX_WAITING_LOOKUPS:
            raise unavailable("Too many unknown keys are being looked up; retry later.")
        self._lookup_count += 1
        try:
            async with self._lookup_slots:
                return await self._callers.find_caller(key_id)
        finally:
            self._lookup_count -= 1
