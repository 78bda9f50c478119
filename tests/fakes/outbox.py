"""The callback outbox in memory."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from typing_extensions import override

from cardops.ports import CallbackOutbox
from cardops.rules.authorization import Decision
from cardops.rules.callbacks import Callback, CallbackResult, CallbackState


class FakeCallbackOutbox(CallbackOutbox):
    """`owe` is what the commit of a decision does elsewhere."""

    def __init__(self) -> None:
        self.callbacks: dict[str, Callback] = {}

    def owe(self, decision: Decision, at: datetime) -> None:
        question = decision.question
        if question.callback_url is None:
            return
        callback_id = f"cb_{len(self.callbacks) + 1:08d}"
        self.callbacks[callback_id] = Callback(
            callback_id, question.program, question.transaction_id, question.callback_url,
            question.is_test, decision.answer, CallbackState.PENDING, 0, at, at,
        )  # fmt: skip

    @override
    async def take_due(self, at: datetime, limit: int, lease_seconds: float) -> list[Callback]:
        due = [
            one
            for one in sorted(self.callbacks.values(), key=lambda one: one.next_attempt_at)
            if one.state is CallbackState.PENDING and one.next_attempt_at <= at
        ][:limit]
        leased_until = at + timedelta(seconds=lease_seconds)
        taken = [
            replace(one, attempt_count=one.attempt_count + 1, next_attempt_at=leased_until)
            for one in due
        ]
        self.callbacks |= {one.callback_id: one for one in taken}
        return sorted(taken, key=lambda one: one.callback_id)

    @override
    async def record(self, results: Sequence[CallbackResult]) -> None:
        for result in results:
            held = self.callbacks[result.callback_id]
            if held.attempt_count == result.attempt_count and held.state is CallbackState.PENDING:
                self.callbacks[result.callback_id] = replace(
                    held,
                    state=result.state,
                    next_attempt_at=result.next_attempt_at or held.next_attempt_at,
                    last_status_code=result.status_code,
                    last_error=result.error,
                )

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
        self.callbacks[callback_id] = replace(
            held, state=CallbackState.PENDING, attempt_count=0, next_attempt_at=held.created_at
        )
        return True

    @override
    async def oldest_due_at(self, at: datetime) -> datetime | None:
        return min(
            (
                one.next_attempt_at
                for one in self.callbacks.values()
                if one.state is CallbackState.PENDING and one.next_attempt_at <= at
            ),
            default=None,
        )
