"""The callback outbox in memory, and the desk over it."""

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
    REFUSED,
    Endpoint,
    HostCapacity,
    Lane,
    after_failure,
    endpoint_of,
    host_queue_of,
)


class FakeCallbackOutbox(CallbackOutbox, CallbackAdministration):
    """`owe` is what the commit of a decision does elsewhere."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Callback] = {}
        self.log: list[CallbackAttempt] = []
        self.failing: dict[tuple[str, str], Endpoint] = {}
        self.closed: set[tuple[str, str]] = set()
        self.probes: set[str] = set()

    def owe(self, decision: Decision, at: datetime) -> None:
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
    async def take_due(
        self, at: datetime, limit: int, lease_seconds: float, room: HostCapacity | None = None
    ) -> list[Callback]:
        room = room or HostCapacity(limit)
        due: list[Callback] = []
        host_queues: Counter[Lane] = Counter()
        for one in sorted(self._pending(), key=lambda one: one.next_attempt_at):
            host_queue = host_queue_of(one.program, one.url)
            if one.next_attempt_at <= at and host_queues[host_queue] < room.of(host_queue):
                host_queues[host_queue] += 1
                due.append(one)
        leased_until = at + timedelta(seconds=lease_seconds)
        taken = [
            replace(one, state=CallbackState.DEAD, last_error=REFUSED)
            if self._is_refused(one)
            else replace(one, attempt_count=one.attempt_count + 1, next_attempt_at=leased_until)
            for one in due[:limit]
        ]
        self.callbacks |= {one.callback_id: one for one in taken}
        self.probes -= {one.callback_id for one in taken}
        return sorted(taken, key=lambda one: one.callback_id)

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
            if result.is_failure_of_endpoint and key not in delivered:
                self.failing[key] = after_failure(self.failing.get(key), result)
            held = self.callbacks[result.callback_id]
            is_its_lease = (held.attempt_count, held.next_attempt_at) == (
                result.attempt_count,
                result.leased_until,
            )
            may_speak = held.state is CallbackState.PENDING or (
                held.state is CallbackState.DEAD and result.state is CallbackState.DELIVERED
            )
            if is_its_lease and may_speak:
                self.callbacks[result.callback_id] = replace(
                    held,
                    state=result.state,
                    next_attempt_at=result.next_attempt_at or held.next_attempt_at,
                    last_status_code=result.status_code,
                    last_error=result.error,
                )

    @override
    async def give_back(self, callbacks: Sequence[Callback], at: datetime) -> None:
        for one in callbacks:
            held = self.callbacks[one.callback_id]
            if held.attempt_count == one.attempt_count and held.state is CallbackState.PENDING:
                self.callbacks[one.callback_id] = replace(
                    held, attempt_count=held.attempt_count - 1, next_attempt_at=at
                )

    @override
    async def oldest_due_at(self, at: datetime) -> datetime | None:
        waiting = [one.next_attempt_at for one in self._pending() if one.next_attempt_at <= at]
        return min(waiting, default=None)

    @override
    async def close_disabled(self, at: datetime) -> list[Endpoint]:
        closing = [
            one for key, one in self.failing.items() if one.disabled_at and key not in self.closed
        ]
        for endpoint in closing:
            key = endpoint.program, endpoint.endpoint
            for one in self._pending():
                if (
                    one.program,
                    endpoint_of(one.url),
                ) == key and one.callback_id not in self.probes:
                    why = f"{REFUSED} {endpoint.disabled_because}"
                    self.callbacks[one.callback_id] = replace(
                        one, state=CallbackState.DEAD, last_error=why
                    )
            self.closed.add(key)
        return closing

    @override
    async def disabled_endpoint_count(self) -> int:
        return sum(one.disabled_at is not None for one in self.failing.values())

    @override
    async def prune(self, before: datetime, limit: int) -> int:
        old = [
            one
            for one in self.log
            if one.started_at < before and self.callbacks[one.callback_id].created_at < before
        ][:limit]
        silent = [
            key
            for key, one in self.failing.items()
            if one.last_failed_at < before and one.disabled_at is None
        ][:limit]
        self.log = [one for one in self.log if one not in old]
        for key in silent:
            del self.failing[key]
        return len(old) + len(silent)

    @override
    async def list_callbacks(
        self, program: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Callback], str | None]:
        found = [
            one
            for one in sorted(
                self.callbacks.values(), key=lambda one: one.callback_id, reverse=True
            )
            if program in {None, one.program}
            and state in {None, one.state}
            and (cursor is None or one.callback_id < cursor)
        ]
        return found[:limit], found[limit - 1].callback_id if len(found) > limit else None

    @override
    async def replay(self, program: str | None, callback_id: str) -> bool:
        held = self.callbacks.get(callback_id)
        if held is None or program not in {None, held.program}:
            return False
        self._owe_again(held)
        self.probes.add(callback_id)
        return True

    @override
    async def find(self, callback_id: str) -> Callback | None:
        return self.callbacks.get(callback_id)

    @override
    async def attempts(self, callback_ids: Sequence[str]) -> list[CallbackAttempt]:
        found = [one for one in self.log if one.callback_id in callback_ids]
        return sorted(found, key=lambda one: (one.callback_id, one.started_at))

    @override
    async def replay_selected(self, selection: CallbackSelection) -> int:
        found = [
            one
            for one in self.callbacks.values()
            if selection.since <= one.created_at < selection.until
            and one.state is selection.state
            and selection.program in {None, one.program}
            and selection.endpoint in {None, endpoint_of(one.url)}
        ]
        for one in found:
            self._owe_again(one)
        return len(found)

    @override
    async def endpoints(self, program: str | None, *, only_disabled: bool) -> list[Endpoint]:
        return [
            one
            for key, one in sorted(self.failing.items())
            if program in {None, one.program} and (one.disabled_at or not only_disabled)
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
        return [one for one in self.callbacks.values() if one.state is CallbackState.PENDING]

    def _is_refused(self, callback: Callback) -> bool:
        endpoint = self.failing.get((callback.program, endpoint_of(callback.url)))
        return bool(endpoint and endpoint.disabled_at and callback.callback_id not in self.probes)

    def _owe_again(self, callback: Callback) -> None:
        self.callbacks[callback.callback_id] = replace(
            callback,
            state=CallbackState.PENDING,
            attempt_count=0,
            next_attempt_at=callback.created_at,
        )
