"""Authorizations in memory: the same rules over dictionaries."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from typing_extensions import override

from cardops.ports import Authorizations, Clock, ExpiredHolds
from cardops.rules.accounts.ledger import Account
from cardops.rules.authorizations.action_batches import (
    ActionState,
    DecidedAction,
    decide_actions,
)
from cardops.rules.authorizations.actions import (
    LOCKED_ACTION,
    ActionKey,
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
    StoredAction,
)
from cardops.rules.authorizations.decisions import (
    LOCKED,
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
    OverdueHold,
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
class FakeAuthorizations(Authorizations, ExpiredHolds):
    """`credit` and `block` stand for what deposits and commands do to the real store."""

    clock: Clock = field(default_factory=FakeClock)
    outbox: FakeCallbackOutbox = field(default_factory=FakeCallbackOutbox)
    states: dict[AccountKey, AccountState] = field(default_factory=dict)
    stored: dict[IdKey, StoredDecision] = field(default_factory=dict)
    records: dict[IdKey, Record] = field(default_factory=dict)
    actions: dict[ActionKey, StoredAction] = field(default_factory=dict)
    blocked: set[tuple[str, str]] = field(default_factory=set)
    limits: FakeSpendingLimits = field(default_factory=FakeSpendingLimits)
    # Accounts that another session has locked.
    locked: set[AccountKey] = field(default_factory=set)
    lease_holder: str = ""

    async def credit(self, user_id: str, amount_minor: int, *, program: str = "default") -> None:
        state = self.states.setdefault((program, user_id, "USD"), AccountState())
        state.available_minor += amount_minor
        state.ledger_seq += 1

    async def block(self, user_id: str, *, program: str = "default") -> None:
        self.blocked.add((program, user_id))

    @override
    async def decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        decided = iter(
            self._decide(
                [request for request in requests if request.account_key not in self.locked]
            )
        )
        return [
            LOCKED if request.account_key in self.locked else next(decided) for request in requests
        ]

    def _decide(self, requests: Sequence[AuthorizationRequest]) -> list[AuthorizationResponse]:
        state = BatchState(
            {request.account_key: self._account(request.account_key) for request in requests},
            dict(self.stored),
            {key[:2] for key in self.actions if key[2] == "void" and key[:2] not in self.records},
        )
        responses, decisions = decide_batch(requests, state, self.clock.now())
        for decision in decisions:
            self._write(decision)
        return responses

    @override
    async def apply(self, actions: Sequence[AuthorizationAction]) -> list[ActionResponse]:
        return [self._apply_one(action) for action in actions]

    @override
    async def accounts_of(self, ids: Collection[IdKey]) -> Mapping[IdKey, AccountKey]:
        return {key: self.records[key].account_key for key in ids if key in self.records}

    @override
    async def locked_accounts(self, accounts: Collection[AccountKey]) -> Collection[AccountKey]:
        return [account for account in accounts if account in self.locked]

    @override
    async def find(self, program: str, transaction_id: str) -> AuthorizationView | None:
        key = (program, transaction_id)
        if key in self.records:
            return view_of(self.records[key], self.clock.now())
        voided = (*key, ActionKind.VOID, "") in self.actions
        return tombstone_view("USD") if voided else None

    @override
    async def accounts(self, program: str, user_id: str) -> Sequence[Account]:
        return [
            Account(*key, state.available_minor, state.held_minor, state.ledger_seq)
            for key, state in sorted(self.states.items())
            if key[:2] == (program, user_id)
        ]

    @override
    async def take_lease(self, holder: str) -> bool:
        self.lease_holder = self.lease_holder or holder
        return self.lease_holder == holder

    @override
    async def overdue(self, after: OverdueHold | None, limit: int) -> Sequence[OverdueHold]:
        overdue = sorted(
            OverdueHold(record.hold.expires_at, *key, record.user_id, record.currency)
            for key, record in self.records.items()
            if record.hold
            and record.hold.state is State.HELD
            and state_of(record, self.clock.now()) is State.EXPIRED
        )
        return [hold for hold in overdue if after is None or hold > after][:limit]

    @override
    async def oldest_overdue_at(self) -> datetime | None:
        overdue = await self.overdue(None, 1)
        return overdue[0].expires_at if overdue else None

    def _apply_one(self, action: AuthorizationAction) -> ActionResponse:
        record = self.records.get(action.id_key)
        if record is not None and record.account_key in self.locked:
            return LOCKED_ACTION
        earlier = self.actions.get(action.idempotency_key)
        if record is None and action.kind is ActionKind.VOID and earlier is None:
            body = tombstone_view("USD").body()
            self.actions[action.idempotency_key] = StoredAction(0, 0, body)
            return ActionResponse(ActionResult.DONE, body)
        state = ActionState(
            records={} if record is None else {action.id_key: record},
            accounts={}
            if record is None
            else {record.account_key: self._account(record.account_key)},
            earlier={} if earlier is None else {action.idempotency_key: earlier},
        )
        (response,), decided = decide_actions([action], state, self.clock.now())
        for done in decided:
            self._write_action(done)
        return response

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

    def _write_action(self, done: DecidedAction) -> None:
        action, record, movement = done
        self.actions[action.idempotency_key] = StoredAction(
            movement.amount_minor, movement.held_change_minor, movement.response
        )
        if not movement.is_effective:
            return
        state = self.states[record.account_key]
        if movement.kind is ActionKind.INCREMENT:
            self.limits.permit(record.account_key, self.clock.now(), movement.amount_minor)
        state.available_minor += movement.available_change_minor
        state.held_minor += movement.held_change_minor
        state.ledger_seq = movement.ledger_seq
        refunded = movement.posted_minor if movement.kind is ActionKind.REFUND else 0
        self.records[action.id_key] = replace(
            record, hold=movement.hold, refunded_minor=record.refunded_minor + refunded
        )
