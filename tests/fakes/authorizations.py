"""Authorizations in memory: the same rules over dictionaries."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from typing_extensions import override

from cardops.ports import Authorizations, Clock
from cardops.rules.accounts.ledger import Account
from cardops.rules.authorizations.actions import (
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
    Movement,
    StoredAction,
    decide_action,
    expire,
    increment_field,
    view_after,
)
from cardops.rules.authorizations.decisions import (
    AccountKey,
    AccountState,
    AuthorizationRequest,
    AuthorizationResponse,
    BatchState,
    Decision,
    IdKey,
    Status,
    StoredDecision,
    decide_batch,
)
from cardops.rules.authorizations.records import (
    AuthorizationView,
    Hold,
    Record,
    State,
    state_of,
    tombstone_view,
    view_of,
)
from tests.fakes.clock import FakeClock
from tests.fakes.limits import FakeSpendingLimits
from tests.fakes.outbox import FakeCallbackOutbox

HOLD_PERIOD = timedelta(days=7)


@dataclass
class FakeAuthorizations(Authorizations):
    """`credit` and `block` stand for what deposits and commands do to the real store."""

    clock: Clock = field(default_factory=FakeClock)
    outbox: FakeCallbackOutbox = field(default_factory=FakeCallbackOutbox)
    states: dict[AccountKey, AccountState] = field(default_factory=dict)
    stored: dict[IdKey, StoredDecision] = field(default_factory=dict)
    records: dict[IdKey, Record] = field(default_factory=dict)
    actions: dict[tuple[IdKey, str, str], StoredAction] = field(default_factory=dict)
    blocked: set[tuple[str, str]] = field(default_factory=set)
    limits: FakeSpendingLimits = field(default_factory=FakeSpendingLimits)

    async def credit(self, user_id: str, amount_minor: int, *, program: str = "default") -> None:
        state = self.states.setdefault((program, user_id, "USD"), AccountState())
        state.available_minor += amount_minor
        state.ledger_seq += 1

    async def block(self, user_id: str, *, program: str = "default") -> None:
        self.blocked.add((program, user_id))

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        state = BatchState(
            {request.account_key: self._account(request.account_key) for request in requests},
            dict(self.stored),
            {key for key, kind, _ in self.actions if kind == "void" and key not in self.records},
        )
        responses, decisions = decide_batch(requests, state, self.clock.now())
        for decision in decisions:
            self._write(decision)
        return responses

    @override
    async def apply(self, action: AuthorizationAction) -> ActionResponse:
        key = (action.program, action.transaction_id)
        earlier = self.actions.get((key, action.kind, action.key))
        record = self.records.get(key)
        if record is None:
            return self._void_before_arrival(key, action, earlier)
        account = self._account((record.program, record.user_id, record.currency))
        outcome = decide_action(action, record, account, earlier=earlier, at=self.clock.now())
        if isinstance(outcome, ActionResponse):
            return outcome
        body = view_after(record, outcome).body(increment_field(outcome, record.currency))
        self._apply(record, replace(outcome, response=body))
        return ActionResponse(ActionResult.DONE, body)

    @override
    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        key = (program, transaction_id)
        if key in self.records:
            return view_of(self.records[key], self.clock.now())
        return tombstone_view("USD") if (key, "void", "") in self.actions else None

    @override
    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        return [
            Account(*key, state.available_minor, state.held_minor, state.ledger_seq)
            for key, state in sorted(self.states.items())
            if key[:2] == (program, user_id)
        ]

    @override
    async def expire_holds(self, at: datetime, limit: int) -> int:
        overdue = [
            record
            for record in self.records.values()
            if record.hold
            and record.hold.state is State.HELD
            and state_of(record, at) is State.EXPIRED
        ][:limit]
        for record in overdue:
            account = self._account((record.program, record.user_id, record.currency))
            self._apply(record, expire(record, account))
        return len(overdue)

    async def oldest_overdue_at(self, at: datetime) -> datetime | None:
        expiries = [
            record.hold.expires_at
            for record in self.records.values()
            if record.hold
            and record.hold.state is State.HELD
            and state_of(record, at) is State.EXPIRED
        ]
        return min(expiries, default=None)

    def _account(self, key: AccountKey) -> AccountState:
        is_blocked = key[:2] in self.blocked
        state = self.states.get(key)
        if state is None:
            is_known = any(other[:2] == key[:2] for other in self.states)
            return AccountState(exists=False, is_known_user=is_known, is_blocked=is_blocked)
        allowances = self.limits.allowances(key, self.clock.now())
        return replace(state, is_blocked=is_blocked, allowances=allowances)

    def _write(self, decision: Decision) -> None:
        request = decision.request
        self.stored[request.id_key] = StoredDecision(request.request_hash, decision.response)
        hold = None
        if decision.status is Status.PERMIT:
            state = self.states[request.account_key]
            state.available_minor -= request.amount_minor
            state.ledger_seq = decision.ledger_seq
            self.limits.permit(request.account_key, self.clock.now(), request.amount_minor)
            if not request.is_capture:
                state.held_minor += request.amount_minor
                hold = Hold(State.HELD, request.amount_minor, 0, self.clock.now() + HOLD_PERIOD)
        self.records[request.id_key] = Record(
            request.program,
            request.transaction_id,
            request.user_id,
            request.currency,
            request.amount_minor,
            request.is_capture,
            decision.status,
            decision.response,
            hold,
        )
        self.outbox.add(decision, self.clock.now())

    def _apply(self, record: Record, movement: Movement) -> None:
        key = (record.program, record.transaction_id)
        earlier = StoredAction(movement.amount_minor, movement.held_change_minor, movement.response)
        self.actions[key, movement.kind, movement.key] = earlier
        if not movement.is_effective:
            return
        account_key = (record.program, record.user_id, record.currency)
        state = self.states[account_key]
        if movement.kind is ActionKind.INCREMENT:
            self.limits.permit(account_key, self.clock.now(), movement.amount_minor)
        state.available_minor += movement.available_change_minor
        state.held_minor += movement.held_change_minor
        state.ledger_seq = movement.ledger_seq
        refunded = movement.posted_minor if movement.kind is ActionKind.REFUND else 0
        self.records[key] = replace(
            record, hold=movement.hold, refunded_minor=record.refunded_minor + refunded
        )

    def _void_before_arrival(
        self, key: IdKey, action: AuthorizationAction, earlier: StoredAction | None
    ) -> ActionResponse:
        if action.kind is not ActionKind.VOID:
            return ActionResponse(ActionResult.UNKNOWN)
        if earlier is not None:
            return ActionResponse(ActionResult.REPLAYED, earlier.response)
        body = tombstone_view("USD").body()
        self.actions[key, "void", ""] = StoredAction(0, 0, body)
        return ActionResponse(ActionResult.DONE, body)
