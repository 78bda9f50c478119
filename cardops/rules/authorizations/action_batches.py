"""Actions decided as a batch: each sees what the earlier ones of the batch changed.

Belongs here: the order of a batch and what an action changes for those after it. Which single action
is allowed is in cardops.rules.authorizations.actions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from cardops.rules.accounts.spending_limits import count_permitted
from cardops.rules.authorizations.actions import (
    ActionKey,
    ActionKind,
    ActionResponse,
    ActionResult,
    AuthorizationAction,
    Movement,
    StoredAction,
    decide_action,
    increment_field,
    view_after,
)
from cardops.rules.authorizations.decisions import (
    AccountKey,
    AccountState,
    IdKey,
    is_rejected_by_void,
)
from cardops.rules.authorizations.records import Record


@dataclass(slots=True)
class ActionState:
    """What the store holds about the authorizations of a batch; modified while it is decided."""

    records: dict[IdKey, Record] = field(default_factory=dict)
    accounts: dict[AccountKey, AccountState] = field(default_factory=dict)
    earlier: dict[ActionKey, StoredAction] = field(default_factory=dict)
    # Of the programs with an increment: rises with every change of the program's limits.
    revisions: dict[str, int] = field(default_factory=dict)

    def account_of(self, record: Record) -> AccountState:
        """The record's account; one that is missing contradicts the record."""
        return self.accounts.get(record.account_key) or AccountState(exists=False)


class DecidedAction(NamedTuple):
    """An action with the movement to write for it; `record` is the one it was decided on."""

    action: AuthorizationAction
    record: Record
    movement: Movement


def decide_actions(
    actions: Sequence[AuthorizationAction], state: ActionState, at: datetime
) -> tuple[list[ActionResponse], list[DecidedAction]]:
    """Responses in the order of the actions, and the movements to write; `state` is modified.

    A first void of an id whose authorization has not arrived is `unknown`; so is one whose
    authorization was rejected by an announcement of that void.
    """
    responses: list[ActionResponse] = []
    decided: list[DecidedAction] = []
    for action in actions:
        outcome = _decide(action, state, at)
        if isinstance(outcome, DecidedAction):
            _apply(outcome, state)
            decided.append(outcome)
            outcome = ActionResponse(ActionResult.DONE, outcome.movement.response)
        responses.append(outcome)
    return responses, decided


def _decide(
    action: AuthorizationAction, state: ActionState, at: datetime
) -> ActionResponse | DecidedAction:
    record = state.records.get(action.id_key)
    earlier = state.earlier.get(action.idempotency_key)
    if action.kind is ActionKind.VOID and (record is None or is_rejected_by_void(record.response)):
        if earlier is not None:
            return ActionResponse(ActionResult.REPLAYED, earlier.response)
        return ActionResponse(ActionResult.UNKNOWN)
    if record is None:
        return ActionResponse(ActionResult.UNKNOWN)
    outcome = decide_action(action, record, state.account_of(record), earlier=earlier, at=at)
    if isinstance(outcome, ActionResponse):
        return outcome
    body = view_after(record, outcome).body(increment_field(outcome, record.currency))
    return DecidedAction(action, record, replace(outcome, response=body))


def _apply(decided: DecidedAction, state: ActionState) -> None:
    action, record, movement = decided
    state.earlier[action.idempotency_key] = StoredAction(
        movement.amount_minor, movement.held_change_minor, movement.response
    )
    if not movement.is_effective:
        return
    account = state.account_of(record)
    account.available_minor += movement.available_change_minor
    account.held_minor += movement.held_change_minor
    account.ledger_seq = movement.ledger_seq
    if movement.kind is ActionKind.INCREMENT:
        count_permitted(movement.amount_minor, account.allowances)
    refunded_minor = movement.posted_minor if movement.kind is ActionKind.REFUND else 0
    state.records[action.id_key] = replace(
        record, hold=movement.hold, refunded_minor=record.refunded_minor + refunded_minor
    )
