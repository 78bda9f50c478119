"""Who may come in: the key is proved, has the scope, and has not asked too often."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from authorizer.problems import ProblemError
from cardops.ports import Access
from cardops.rules.access import Caller, PresentedKey, Scope, parse_bearer, proves
from cardops.rules.rate_limits import TokenBucket

# A revoked key works no longer than this.
CACHE_SECONDS: Final = 1.0
MAX_CACHED_KEYS: Final = 10_000


@dataclass(slots=True)
class _Entry:
    caller: Caller
    until: float
    bucket: TokenBucket


class Gate:
    """Callers by key id, read again every second. Unknown keys are not remembered."""

    def __init__(
        self,
        access: Access,
        *,
        requests_per_second: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._access = access
        self._rate = requests_per_second
        self._monotonic = monotonic
        self._entries: dict[str, _Entry] = {}

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
        if presented is None or entry is None or not proves(presented, entry.caller):
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
        entry, now = self._entries.get(key_id), self._monotonic()
        caller = await self._access.find_caller(key_id)
        if caller is None:
            self._entries.pop(key_id, None)
            return None
        if len(self._entries) >= MAX_CACHED_KEYS:
            self._entries.clear()
        bucket = entry.bucket if entry else TokenBucket(self._rate, max(self._rate, 1.0), now)
        self._entries[key_id] = _Entry(caller, now + CACHE_SECONDS, bucket)
        return self._entries[key_id]
