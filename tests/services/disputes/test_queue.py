"""The work queue: nearest deadline first, overdue apart, and no deadline hidden by another."""

from datetime import date, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, given, settings

from cardops.rules.chargebacks.queue import RecordKind
from cardops.services.disputes.queue import QueueSelection
from tests.factories.dispute_queues import QueueWorld, a_step

TODAY = date(2026, 11, 20)


@pytest.fixture
def world() -> QueueWorld:
    return QueueWorld()


def test_near_deadline_does_not_hide_behind_overdue_ones(world: QueueWorld) -> None:
    overdue = [a_step(f"old-{place:02}", reply_by=f"2026-10-{place + 1:02}") for place in range(25)]
    world.tell(*overdue, a_step("near", reply_by="2026-11-23"))

    found = world.queue(QueueSelection(due_within=7))

    assert found.to_answer.select("case_number", "days_left").rows() == [("near", 3)]
    assert found.overdue.is_empty()
    both = world.cases(QueueSelection(due_within=7, is_overdue=True))
    assert (both["to_answer"], len(both["overdue"])) == (["near"], 25)
    assert both["overdue"][0] == "old-24"


def test_dispute_is_shown_by_its_last_step_with_its_clock(world: QueueWorld) -> None:
    world.tell(a_step("c1", reply_by="2026-11-12"), a_step("c2"))
    world.tell(a_step("c1", status="won"), a_step("c2", stage="pre_arbitration", status="open"))

    assert world.cases() == {"to_answer": ["c2"], "undated": [], "overdue": []}

    world.tell(a_step("c1", stage="pre_arbitration", reply_by="2026-11-25", amount="20.00"))

    first, second = world.queue().to_answer.to_dicts()
    assert (first["case_number"], first["stage"], first["clock"]) == (
        "c1",
        "pre_arbitration",
        "feed",
    )
    assert (first["dispute_amount_minor"], first["days_left"], first["age_days"]) == (2000, 5, 10)
    # The published 30 days of a stage run from the day on which it was reported.
    assert (second["clock"], second["days_left"]) == ("published", 30)


def test_disputes_are_selected_by_owner_stage_network_and_program(world: QueueWorld) -> None:
    world.tell(
        a_step("c1", reply_by="2026-11-21"),
        a_step("c2", reply_by="2026-11-22", network="amex"),
        a_step("c3", reply_by="2026-11-23", stage="arbitration"),
    )
    world.tell(a_step("c4", reply_by="2026-11-24"), program="acme")
    world.record("c1", RecordKind.ASSIGN, owner="bea")

    for selection, cases in (
        (QueueSelection(owner="bea"), ["c1"]),
        (QueueSelection(is_unassigned=True), ["c2", "c3", "c4"]),
        (QueueSelection(network="amex"), ["c2"]),
        (QueueSelection(stage="arbitration"), ["c3"]),
        (QueueSelection(program="acme"), ["c4"]),
        (QueueSelection(due_within=2), ["c1", "c2"]),
    ):
        assert world.cases(selection)["to_answer"] == cases


def test_accepted_dispute_leaves_the_queue_until_it_is_open_anew(world: QueueWorld) -> None:
    world.tell(a_step("c1", reply_by="2026-11-21"), a_step("c2", reply_by="2026-11-22"))
    world.record("c1", RecordKind.ACCEPT)
    world.record("c2", RecordKind.CLOSE)

    assert world.cases()["to_answer"] == []
    assert world.cases(QueueSelection(is_decided=True))["to_answer"] == ["c1", "c2"]

    # An update of the same stage is no new opening; a return after the end is one.
    world.tell(a_step("c2", reply_by="2026-11-24"))
    assert world.cases()["to_answer"] == []
    world.tell(a_step("c2", status="won"))
    world.tell(a_step("c2", reply_by="2026-11-30"))
    assert world.cases()["to_answer"] == ["c2"]


STEPS = st.builds(
    a_step,
    st.sampled_from([f"c{place}" for place in range(20)]),
    status=st.sampled_from(("open", "open", "won")),
    stage=st.sampled_from(("chargeback", "representment", "pre_arbitration")),
    reply_by=st.sampled_from(("", "2026-11-18", "2026-11-19", "2026-11-20", "2026-11-22")),
    activity=st.sampled_from(("", "", "2026-11-11", "2026-11-12")),
)
FILES = st.lists(st.lists(STEPS, min_size=10, max_size=40), min_size=2, max_size=3)


def expected_parts(world: QueueWorld) -> dict[str, list[str]]:
    """Each dispute alone: its last row as they happened, put into a part by hand."""
    rows = world.intake.rows("chargebacks").sort("happened_at", "intake_id", "row_number")
    last = {row["case_number"]: row for row in rows.to_dicts()}
    parts: dict[str, list[tuple[int, str]]] = {"to_answer": [], "undated": [], "overdue": []}
    for case, row in last.items():
        if row["status"] == "won":
            continue
        due = row["reply_by_on"]
        if due is None:
            parts["undated"].append((0, case))
        elif due >= TODAY:
            parts["to_answer"].append(((due - TODAY).days, case))
        else:
            parts["overdue"].append(((TODAY - due).days, case))
    return {name: [case for _, case in sorted(members)] for name, members in parts.items()}


@pytest.mark.parametrize("examples", [1, pytest.param(50, marks=pytest.mark.soak)])
def test_queue_is_the_open_disputes_by_distance_of_their_deadlines(examples: int) -> None:
    @settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate])
    @given(FILES)
    def check(files: list[list[str]]) -> None:
        world = QueueWorld()
        for lines in files:
            world.tell(*lines)

        assert world.cases() == expected_parts(world)

    check()


def test_order_does_not_depend_on_the_day_alone(world: QueueWorld) -> None:
    world.tell(a_step("c2", reply_by="2026-11-23"), a_step("c1", reply_by="2026-11-23"))
    world.intake.clock.at += timedelta(days=4)

    assert world.cases() == {"to_answer": [], "undated": [], "overdue": ["c1", "c2"]}
