"""The stages of a dispute, the transitions between them and the days for a response.

Belongs here: which stage may follow which, and how many days are published for a response. Both are
dated data by network, workflow and side; which clock counts is in cardops.rules.chargebacks.clocks. A
step of a dispute is identified by network, case number, stage and action sequence, never by its
transaction: partial and repeated disputes of one transaction are normal.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Final

from cardops.rules.data_tables import is_valid_on, read_table


class Stage(StrEnum):
    """The stage of a dispute; the last four end it."""

    INQUIRY = "inquiry"
    CHARGEBACK = "chargeback"
    REPRESENTMENT = "representment"
    PRE_ARBITRATION = "pre_arbitration"
    ARBITRATION = "arbitration"
    WON = "won"
    LOST = "lost"
    ACCEPTED = "accepted"
    EXPIRED = "expired"


ENDED: Final = frozenset({Stage.WON, Stage.LOST, Stage.ACCEPTED, Stage.EXPIRED})


@dataclass(frozen=True, slots=True, order=True)
class DisputeKey:
    """One dispute, with all its steps."""

    program: str
    network: str
    case_number: str


class Workflow(StrEnum):
    """Visa's two workflows; in allocation the acquirer responds with pre-arbitration."""

    ALLOCATION = "allocation"
    COLLABORATION = "collaboration"


@dataclass(frozen=True, slots=True)
class StageTransition:
    """A transition that the networks allow, and the side that makes it: issuer, merchant or network."""

    from_stage: Stage
    to_stage: Stage
    side: str


@cache
def stage_names() -> Mapping[str, Stage]:
    """A feed's name of a stage (lower case, letters and digits only) -> the stage."""
    rows = read_table("dispute_stage_names")
    return MappingProxyType({row["name"]: Stage(row["stage"]) for row in rows})


def stage_of(text: str | None) -> Stage | None:
    """The stage a feed names; `chargeback` where it names none; None where it is unknown."""
    key = re.sub(r"[\W_]+", "", text or "").lower()
    return stage_names().get(key) if key else Stage.CHARGEBACK


def workflow_of(network: str, reason_category: str | None) -> Workflow | None:
    """Visa treats fraud and authorization by allocation, the rest by collaboration."""
    if network != "visa":
        return None
    allocated = reason_category in {"fraud", "authorization"}
    return Workflow.ALLOCATION if allocated else Workflow.COLLABORATION


def legal_transitions(
    network: str,
    stage: Stage,
    *,
    workflow: Workflow | None = None,
    reason_code: str | None = None,
    on: date | None = None,
) -> frozenset[StageTransition]:
    """The transitions out of this stage; of those that end a dispute, only a won one has any."""
    return frozenset(
        StageTransition(stage, Stage(row["to_stage"]), row["side"])
        for row in read_table("dispute_moves")
        if row["from_stage"] == stage
        and _applies(row, network, workflow)
        and (not row["reason_codes"] or reason_code in row["reason_codes"].split())
        and is_valid_on(row, on)
    )


def is_legal(
    network: str,
    from_stage: Stage,
    to_stage: Stage,
    *,
    workflow: Workflow | None = None,
    reason_code: str | None = None,
    on: date | None = None,
) -> bool:
    """Whether the dispute may go from one stage to the other in one transition."""
    transitions = legal_transitions(
        network, from_stage, workflow=workflow, reason_code=reason_code, on=on
    )
    return any(transition.to_stage == to_stage for transition in transitions)


def response_days(
    network: str,
    stage: Stage,
    side: str,
    *,
    workflow: Workflow | None = None,
    on: date | None = None,
) -> int | None:
    """Published days for that side to act at that stage, or None where none are published."""
    return next(
        (
            int(row["days"])
            for row in read_table("dispute_deadlines")
            if (row["network"], row["stage"], row["side"]) == (network, stage, side)
            and _applies(row, network, workflow)
            and is_valid_on(row, on)
        ),
        None,
    )


def _applies(row: Mapping[str, str], network: str, workflow: Workflow | None) -> bool:
    """An empty network or workflow in the data means all of them."""
    return row["network"] in {"", network} and row["workflow"] in {"", workflow or row["workflow"]}
