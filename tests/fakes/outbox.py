"""The callback outbox in memory, and its administration."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from typing_extensions import override

from cardops.ports import CallbackAdministration, CallbackOutbox
from cardops.rules.authorizations.decisions import Decision
from cardops.rules.callbacks.callbacks import (
    Callback,
    CallbackAttempt,
    CallbackResult,
    CallbackSelection,
    CallbackState,
    attempt_of,
)
from cardops.rules.callbacks.endpoints import (
    ENDPOINT_DISABLED,
    Endpoint,
    HostCapacity,
    HostQueueKey,
    after_failure,
    endpoint_of,
    host_queue_key,
)


class FakeCallbackOutbox(CallbackOutbox, CallbackAdministration):
    """`add` does what the commit of a decision does in the database."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Callback] = {}
        self.log: list[CallbackAttempt] = []
        self.failing: dict[tuple[str, str], Endpoint] = {}
        self.closed: set[tuple[str, str]] = set()
        self.probes: set[str] = set()

    def add(self, decision: Decision, at: datetime) -> None:
        request = decision.request
        if request.callback_url is None:
            return
        callback_id = f"cb_{len(self.callbacks) + 1:08d}"
        self.callbacks[callback_id] = Callback(
            callback_id, request.program, request.transaction_id, request.callback_url,
            request.is_test, decision.response, CallbackState.PENDING, 0, at, at,
            request_id=request.request_id,
        )  # fmt: skip

    @override
    async def lease_due(
        self, at: datetime, limit: int, lease_seconds: float, capacity: HostCapacity | None = None
    ) -> list[Callback]:
        capacity = capacity or HostCapacity(limit)
        due: list[Callback] = []
        counts: Counter[HostQueueKey] = Counter()
        for callback in sorted(self._pending(), key=lambda callback: callback.next_attempt_at):
            key = host_queue_key(callback.program, callback.url)
            if callback.next_attempt_at <= at and counts[key] < capacity.of(key):
                counts[key] += 1
                due.append(callback)
        leased_until = at + timedelta(seconds=lease_seconds)
        leased = [
            replace(callback, state=CallbackState.DEAD, last_error=ENDPOINT_DISABLED)
            if self._is_disabled(callback)
            else replace(
                callback,
                attempt_count=callback.attempt_count + 1,
                next_attempt_at=leased_until,
            )
            for callback in due[:limit]
        ]
        self.callbacks |= {callback.callback_id: callback for callback in leased}
        self.probes -= {callback.callback_id for callback in leased}
        return sorted(leased, key=lambda callback: callback.callback_id)

    @override
    async def record(self, results: Sequence[CallbackResult]) -> None:
        self.log += map(attempt_of, results)
        delivered = {
            (result.program, endpoint_of(result.url))
            for result in results
            if result.state is CallbackState.DELIVERED
        }
        for key in delivered:
            self.failing.pop(key, None)
            self.closed.discard(key)
        for result in results:
            key = result.program, endpoint_of(result.url)
            if result.is_endpoint_failure and key not in delivered:
                self.failing[key] = after_failure(self.failing.get(key), result)
            stored = self.callbacks[result.callback_id]
            has_lease = (stored.attempt_count, stored.next_attempt_at) == (
                result.attempt_count,
                result.leased_until,
            )
            may_change = stored.state is CallbackState.PENDING or (
                stored.state is CallbackState.DEAD and result.state is CallbackState.DELIVERED
            )
            if has_lease and may_change:
                self.callbacks[result.callback_id] = replace(
                    stored,
                    state=result.state,
                    next_attempt_at=result.next_attempt_at or stored.next_attempt_at,
                    last_status_code=result.status_code,
                    last_error=result.error,
                )

    @override
    async def release(self, callbacks: Sequence[Callback], at: datetime) -> None:
        for callback in callbacks:
            stored = self.callbacks[callback.callback_id]
            is_leased = stored.attempt_count == callback.attempt_count
            if is_leased and stored.state is CallbackState.PENDING:
                self.callbacks[callback.callback_id] = replace(
                    stored, attempt_count=stored.attempt_count - 1, next_attempt_at=at
                )

    @override
    async def oldest_due_at(self, at: datetime) -> datetime | None:
        due = [
            callback.next_attempt_at
            for callback in self._pending()
            if callback.next_attempt_at <= at
        ]
        return min(due, default=None)

    @override
    async def dead_letter_disabled(self, at: datetime) -> list[Endpoint]:
        closing = [
            endpoint
            for key, endpoint in self.failing.items()
            if endpoint.disabled_at and key not in self.closed
        ]
        for endpoint in closing:
            key = endpoint.program, endpoint.endpoint
            for callback in self._pending():
                is_for_endpoint = (callback.program, endpoint_of(callback.url)) == key
                if is_for_endpoint and callback.callback_id not in self.probes:
                    error = f"{ENDPOINT_DISABLED} {endpoint.disabled_because}"
                    self.callbacks[callback.callback_id] = replace(
                        callback, state=CallbackState.DEAD, last_error=error
                    )
            self.closed.add(key)
        return closing

    @override
    async def disabled_endpoint_count(self) -> int:
        return sum(endpoint.disabled_at is not None for endpoint in self.failing.values())

    @override
    async def prune(self, before: datetime, limit: int) -> int:
        silent = [
            key
            for key, endpoint in self.failing.items()
            if endpoint.last_failed_at < before and endpoint.disabled_at is None
        ][:limit]
        for key in silent:
            del self.failing[key]
        return len(silent)

    @override
    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        newest_first = sorted(
            self.callbacks.values(), key=lambda callback: callback.callback_id, reverse=True
        )
        found = [
            callback
            for callback in newest_first
            if program in {None, callback.program}
            and state in {None, callback.state}
            and (cursor is None or callback.callback_id < cursor)
        ]
        return found[:limit], found[limit - 1].callback_id if len(found) > limit else None

    @override
    async def replay(
        self, program: str | None, callback_id: str, by_key: str | None = None
    ) -> bool:
        stored = self.callbacks.get(callback_id)
        if stored is None or program not in {None, stored.program}:
            return False
        self._replay(stored)
        self.probes.add(callback_id)
        return True

    @override
    async def find(self, callback_id: str) -> Callback | None:
        return self.callbacks.get(callback_id)

    @override
    async def attempts(self, callback_ids: Sequence[str]) -> list[CallbackAttempt]:
        found = [attempt for attempt in self.log if attempt.callback_id in callback_ids]
        return sorted(found, key=lambda attempt: (attempt.callback_id, attempt.started_at))

    @override
    async def replay_selected(self, selection: CallbackSelection) -> int:
        selected = [
            callback
            for callback in self.callbacks.values()
            if selection.since <= callback.created_at < selection.until
            and callback.state is selection.state
            and selection.program in {None, callback.program}
            and selection.endpoint in {None, endpoint_of(callback.url)}
        ]
        for callback in selected:
            self._replay(callback)
        return len(selected)

    @override
    async def endpoints(self, program: str | None, *, only_disabled: bool) -> list[Endpoint]:
        return [
            endpoint
            for _, endpoint in sorted(self.failing.items())
            if program in {None, endpoint.program} and (endpoint.disabled_at or not only_disabled)
        ]

    @override
    async def enable(self, program: str | None, endpoint: str) -> int:
        keys = [
            key
            for key in self.failing
            if program in {None, key[0]} and key[1] == endpoint_of(endpoint)
        ]
        for key in keys:
            del self.failing[key]
            self.closed.discard(key)
        return len(keys)

    def _pending(self) -> list[Callback]:
        return [
            callback
            for callback in self.callbacks.values()
            if callback.state is CallbackState.PENDING
        ]

    def _is_disabled(self, callback: Callback) -> bool:
        endpoint = self.failing.get((callback.program, endpoint_of(callback.url)))
        return bool(endpoint and endpoint.disabled_at and callback.callback_id not in self.probes)

    def _replay(self, callback: Callback) -> None:
        self.callbacks[callback.callback_id] = replace(
            callback,
            state=CallbackState.PENDING,
            attempt_count=0,
            next_attempt_at=callback.created_at,
        )
