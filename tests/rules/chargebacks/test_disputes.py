"""Stages, legal transitions and deadlines of a dispute."""

from datetime import date

import pytest

from cardops.rules.chargebacks.disputes import (
    ENDED,
    Stage,
    Workflow,
    is_legal,
    legal_transitions,
    stage_of,
    workflow_of,
)
from cardops.rules.chargebacks.routing import NETWORKS
from cardops.rules.data_tables import read_table


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        (None, Stage.CHARGEBACK),
        ("", Stage.CHARGEBACK),
        ("1st Chargeback", Stage.CHARGEBACK),
        ("Pre-Arbitration", Stage.PRE_ARBITRATION),
        ("RETRIEVAL_REQUEST", Stage.INQUIRY),
        ("nonsense", None),
    ],
)
def test_stage_names_of_feeds_are_recognised(text: str | None, stage: Stage | None) -> None:
    assert stage_of(text) == stage


def test_every_stage_is_recognised_by_its_own_name() -> None:
    assert [stage_of(stage.value) for stage in Stage] == list(Stage)


def test_visa_fraud_has_no_representment() -> None:
    workflow = workflow_of("visa", "fraud")

    assert workflow == Workflow.ALLOCATION
    assert not is_legal("visa", Stage.CHARGEBACK, Stage.REPRESENTMENT, workflow=workflow)
    assert is_legal("visa", Stage.CHARGEBACK, Stage.PRE_ARBITRATION, workflow=workflow)


@pytest.mark.parametrize("network", NETWORKS)
def test_consumer_dispute_is_represented_before_pre_arbitration(network: str) -> None:
    workflow = workflow_of(network, "consumer_dispute")

    assert is_legal(network, Stage.CHARGEBACK, Stage.REPRESENTMENT, workflow=workflow)
    assert not is_legal(network, Stage.CHARGEBACK, Stage.PRE_ARBITRATION, workflow=workflow)


@pytest.mark.parametrize("network", NETWORKS)
def test_only_ended_stages_but_won_have_no_transition(network: str) -> None:
    for stage in Stage:
        assert bool(legal_transitions(network, stage)) is (stage not in ENDED - {Stage.WON})


@pytest.mark.parametrize("network", NETWORKS)
def test_disputes_never_go_back_but_from_won(network: str) -> None:
    order = list(Stage)
    moves = {move for stage in Stage for move in legal_transitions(network, stage)}
    (reopening,) = (move for move in moves if move.from_stage == Stage.WON)
    moves.remove(reopening)

    assert reopening.to_stage == Stage.PRE_ARBITRATION

    assert all(order.index(move.to_stage) > order.index(move.from_stage) for move in moves)


def test_visa_had_no_allocation_before_its_reform() -> None:
    on = date(2018, 4, 13)
    moves = legal_transitions("visa", Stage.CHARGEBACK, workflow=Workflow.ALLOCATION, on=on)

    assert Stage.PRE_ARBITRATION not in {move.to_stage for move in moves}


@pytest.mark.parametrize(("reason_code", "is_allowed"), [("4808", True), ("4853", False)])
def test_pre_arbitration_is_optional_where_mastercard_says_so(
    reason_code: str, *, is_allowed: bool
) -> None:
    stages = (Stage.REPRESENTMENT, Stage.ARBITRATION)

    assert is_legal("mastercard", *stages, reason_code=reason_code) is is_allowed
    assert not is_legal("visa", *stages, reason_code=reason_code)


def test_every_move_has_a_source() -> None:
    assert all(row["source"] for row in read_table("dispute_moves"))
