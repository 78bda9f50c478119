"""The work queue of disputes: what waits for an answer, who works on it, and when to raise an alarm.

Belongs here: one dispute of the queue and what operators recorded about it. Which disputes are open is
read from the lake by cardops.adapters.warehouse.lake_disputes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from cardops.rules.chargebacks.disputes import ENDED, DisputeKey, Stage, is_legal, workflow_of
from cardops.rules.chargebacks.reason_codes import find_reason
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.errors import ExplainedError

MAX_OWNER_CHARACTERS: Final = 64
MAX_NOTE_CHARACTERS: Final = 2_000


class DisputeRefusedError(ExplainedError):
    """The dispute is not in a state for what was requested; the message says why."""


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """A dispute from the step that started its clock: the `number`th time that it is at the stage.

    A dispute that is open again after its end, or comes to another stage, has a new opening; an update
    of the same stage does not, whatever it changes.
    """

    dispute: DisputeKey
    stage: str
    number: int


@dataclass(frozen=True, slots=True)
class DisputeStep:
    """One accepted row of a dispute, in the order in which steps happened.

    `reply_by_on` and `clock`: by when it is to be answered and who says so; None once it ended.
    """

    opening: Opening
    action_sequence: int
    status: str | None
    is_ended: bool
    happened_at: datetime
    dispute_date: date
    reply_by_on: date | None
    clock: str | None
    amount_minor: int
    currency: str
    settlement_amount_minor: int | None
    settlement_currency: str | None
    fee_amount_minor: int | None
    fee_currency: str | None
    reason_code: str | None
    transaction_id: str | None
    merchant_name: str | None
    batch_id: str | None
    source_file: str
    intake_id: int
    row_number: int
    flags: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """How the dispute stands after this step: an end, or open."""
        if not self.is_ended:
            return "open"
        return self.opening.stage if self.opening.stage in ENDED else self.status or "resolved"


class RecordKind(StrEnum):
    """What an operator did with a dispute."""

    ASSIGN = "assign"
    NOTE = "note"
    ACCEPT = "accept"
    CLOSE = "close"
    REOPEN = "reopen"


DECISIONS: Final = frozenset({RecordKind.ACCEPT, RecordKind.CLOSE, RecordKind.REOPEN})
_DONE: Final = {RecordKind.ACCEPT: "accepted", RecordKind.CLOSE: "closed"}


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """What an operator asks to record about a dispute as it is now.

    `owner` is who works on it from now on, None for nobody; `text` is the note, or the reason why.
    """

    kind: RecordKind
    opening: Opening
    recorded_by: str
    text: str
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class DisputeRecord:
    """A request that was recorded: the `number`th about its dispute. Records are never changed."""

    request: RecordRequest
    number: int
    recorded_at: datetime

    @property
    def kind(self) -> RecordKind:
        """What was done."""
        return self.request.kind


def owner_of(records: Sequence[DisputeRecord]) -> str | None:
    """Who works on the dispute."""
    owners = [record.request.owner for record in records if record.kind is RecordKind.ASSIGN]
    return owners[-1] if owners else None


def decision_of(records: Sequence[DisputeRecord], opening: Opening) -> DisputeRecord | None:
    """What was decided about this opening and is in force: that it is accepted or closed."""
    decided = [
        record
        for record in records
        if record.kind in DECISIONS and record.request.opening == opening
    ]
    in_force = bool(decided) and decided[-1].kind is not RecordKind.REOPEN
    return decided[-1] if in_force else None


def judge_request(
    request: RecordRequest, step: DisputeStep, records: Sequence[DisputeRecord]
) -> DisputeRecord | None:
    """The record that the request repeats, or None where it is new; `step` is the dispute's last one.

    Raises DisputeRefusedError.
    """
    repeated = _repeated(request, records)
    if repeated is not None:
        return repeated
    if request.kind is RecordKind.NOTE:
        return None
    case = request.opening.dispute.case_number
    if step.is_ended:  # guard: ended-dispute
        raise DisputeRefusedError(
            f"Dispute {case} has ended ({step.outcome}), so there is nothing to {request.kind}; "
            f"`cardops disputes show {case}` shows its steps."
        )
    decision = decision_of(records, request.opening)
    if request.kind is RecordKind.REOPEN:
        _check_closed(case, decision)
    elif decision is not None:
        raise DisputeRefusedError(
            f"Dispute {case} was {_DONE[decision.kind]} by {decision.request.recorded_by} on "
            f"{decision.recorded_at:%Y-%m-%d}, so there is nothing to {request.kind}"
            + (
                f"; `cardops disputes reopen {case}` takes that back."
                if decision.kind is RecordKind.CLOSE
                else "."
            )
        )
    if request.kind is RecordKind.ACCEPT and not _may_be_accepted(step):
        raise DisputeRefusedError(
            f"Dispute {case} is at the stage {step.opening.stage}, at which the networks let no "
            "merchant accept it; wait for the card company's answer."
        )
    return None


def _repeated(request: RecordRequest, records: Sequence[DisputeRecord]) -> DisputeRecord | None:
    """The record that is in force and says the same already."""
    if request.kind in DECISIONS:
        same = [
            record
            for record in records
            if record.kind in DECISIONS and record.request.opening == request.opening
        ]
        return same[-1] if same and same[-1].kind is request.kind else None
    latest = [record for record in records if record.kind is request.kind]
    if not latest:
        return None
    if request.kind is RecordKind.ASSIGN:
        return latest[-1] if latest[-1].request.owner == request.owner else None
    said = latest[-1].request
    is_same = (said.text, said.recorded_by) == (request.text, request.recorded_by)
    return latest[-1] if is_same else None


def _check_closed(case: str, decision: DisputeRecord | None) -> None:
    if decision is None:
        raise DisputeRefusedError(f"Dispute {case} is not closed, so there is nothing to reopen.")
    if decision.kind is RecordKind.ACCEPT:
        raise DisputeRefusedError(
            f"Dispute {case} was accepted by {decision.request.recorded_by}, which may have gone to "
            "the card company already; ask the card company to take it back."
        )


def _may_be_accepted(step: DisputeStep) -> bool:
    """A row of network `mixed` may be of any."""
    network = step.opening.dispute.network
    return any(
        is_legal(
            name,
            Stage(step.opening.stage),
            Stage.ACCEPTED,
            workflow=workflow_of(name, reason.category) if reason else None,
            reason_code=reason.code if reason else step.reason_code,
            on=step.dispute_date,
        )
        for name in ((network,) if network in NETWORKS else NETWORKS)
        for reason in (find_reason(name, step.reason_code),)
    )
