"""By when each accepted step of a dispute is to be answered, and which clock says so."""

from datetime import date
from itertools import islice

import pytest

from cardops.adapters.warehouse.lake_disputes import DuckDbDisputes
from tests.factories.disputed_files import CHARGEBACKS, DISPUTED
from tests.factories.intake_environment import IntakeWorld, csv_file

HEADER = f"{CHARGEBACKS},stage,status,activity_date,reply_by_date"


def clocks_of(world: IntakeWorld, *files: tuple[str, ...]) -> list[tuple[date | None, str | None]]:
    for number, lines in enumerate(files):
        rows = [f"{DISPUTED},{line}" for line in lines]
        other = DISPUTED.replace("c1", f"other-{number}")
        accepted = world.submit("chargebacks", csv_file(HEADER, *rows, f"{other},,,,")).accepted
        assert accepted == len(lines) + 1
    found = world.rows("chargebacks").filter(case_number="c1").sort("intake_id", "row_number")
    return found.select("reply_by_on", "clock").rows()


def test_dispute_without_reply_by_has_the_published_clock(world: IntakeWorld) -> None:
    header = (
        "transaction_id,chargeback_amount,dispute_date,currency,case_number,card_network,status"
    )

    world.submit("chargebacks", csv_file(header, "ND-1,10.00,2026-11-03,USD,ND-C1,visa,open"))

    row = world.rows("chargebacks").row(0, named=True)
    assert (row["reply_by_on"], row["clock"]) == (date(2026, 12, 3), "published")


@pytest.mark.parametrize("text", ["2026-12-05", "2026-12-05T23:59:59-05:00"])
def test_reply_by_of_the_feed_is_the_senders_day(world: IntakeWorld, text: str) -> None:
    assert clocks_of(world, (f"chargeback,open,,{text}",)) == [(date(2026, 12, 5), "feed")]


def test_processors_own_days_come_before_the_published_ones(world: IntakeWorld) -> None:
    world.programs.set_response_days("default", "visa", "chargeback", 18, set_by="somebody")

    assert clocks_of(world, ("chargeback,open,,",)) == [(date(2026, 11, 28), "processor")]


def test_ended_dispute_has_no_deadline(world: IntakeWorld) -> None:
    lines = ("chargeback,won,,2026-12-05", "won,,,2026-12-05")

    assert clocks_of(world, lines) == [(None, None)] * 2


@pytest.mark.parametrize("files", [(1, 1, 1), (3,), (2, 1)])
def test_reopened_dispute_gets_a_new_clock(world: IntakeWorld, files: tuple[int, ...]) -> None:
    today = world.clock.now().date()
    lines = iter(("chargeback,open,,2026-12-05", "chargeback,won,,2026-12-05", "chargeback,open,,"))

    found = clocks_of(world, *(tuple(islice(lines, count)) for count in files))

    assert found[:2] == [(date(2026, 12, 5), "feed"), (None, None)]
    due_on, clock = found[2]
    assert due_on is not None
    assert ((due_on - today).days, clock) == (30, "published")


def test_later_stage_runs_from_its_activity(world: IntakeWorld) -> None:
    found = clocks_of(world, ("chargeback,won,2026-11-12,",), ("pre_arbitration,open,2026-11-15,",))

    assert found[1] == (date(2026, 12, 15), "published")


def test_update_of_a_stage_keeps_its_clock(world: IntakeWorld) -> None:
    found = clocks_of(
        world,
        ("chargeback,open,2026-11-11,2026-12-05",),
        ("chargeback,pending_response,2026-11-12,",),
        ("chargeback,pending,2026-11-13,2026-12-01",),
    )

    assert found == [
        (date(2026, 12, 5), "feed"),
        (date(2026, 12, 5), "feed"),
        (date(2026, 12, 1), "feed"),
    ]


@pytest.mark.parametrize(
    ("known", "late", "expected"),
    [
        # The end of what the feed's date was for: what came after it is a reopening.
        (
            ("chargeback,open,2026-11-11,2026-12-05", "chargeback,pending,2026-11-14,"),
            "chargeback,won,2026-11-12,",
            [(date(2026, 12, 5), "feed"), (None, None), (date(2026, 12, 14), "published")],
        ),
        (
            ("chargeback,open,2026-11-11,", "chargeback,pending,2026-11-14,"),
            "chargeback,pending,2026-11-12,2026-11-28",
            [(date(2026, 12, 10), "published"), *[(date(2026, 11, 28), "feed")] * 2],
        ),
        # The stage was there before, so its clock runs since.
        (
            ("chargeback,open,2026-11-11,", "pre_arbitration,pending,2026-11-15,"),
            "pre_arbitration,open,2026-11-13,",
            [(date(2026, 12, 10), "published"), *[(date(2026, 12, 13), "published")] * 2],
        ),
    ],
)
def test_late_step_changes_the_clocks_of_those_after_it(
    world: IntakeWorld,
    known: tuple[str, ...],
    late: str,
    expected: list[tuple[date | None, str | None]],
) -> None:
    clocks_of(world, known, (late,))
    disputes = DuckDbDisputes(world.lake)

    assert [(step.reply_by_on, step.clock) for step in disputes.steps("c1")] == expected
    queued = disputes.open_disputes().filter(case_number="c1")
    assert queued.select("reply_by_on", "clock").rows() == expected[-1:]


def test_step_after_a_late_one_has_its_clock(world: IntakeWorld) -> None:
    known = ("chargeback,open,2026-11-11,2026-12-05", "chargeback,pending,2026-11-14,")

    found = clocks_of(
        world, known, ("chargeback,won,2026-11-12,",), ("chargeback,pending_response,2026-11-15,",)
    )

    assert found[-1] == (date(2026, 12, 14), "published")
