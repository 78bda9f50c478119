"""Which clock of a dispute counts, and from which day it runs."""

from datetime import date

import pytest

from cardops.rules.chargebacks.clocks import (
    ClockedStep,
    Deadline,
    DeadlineSource,
    RunningClock,
    clock_problem,
    merchant_deadline,
    next_clock,
)
from cardops.rules.chargebacks.disputes import Stage, response_days
from cardops.rules.data_tables import read_table

BEGAN, LATER = date(2026, 11, 1), date(2026, 11, 20)
FED = date(2026, 12, 8)
RUNNING = RunningClock(BEGAN, None)


@pytest.mark.parametrize(
    ("network", "days"), [("visa", 30), ("mastercard", 45), ("amex", 20), ("discover", 30)]
)
def test_published_days_apply_without_another_clock(network: str, days: int) -> None:
    deadline = merchant_deadline(network, Stage.CHARGEBACK, RUNNING)

    assert deadline is not None
    assert deadline.source == DeadlineSource.PUBLISHED
    assert (deadline.due_on - BEGAN).days == days
    assert response_days(network, Stage.CHARGEBACK, "merchant") == days


def test_feed_comes_before_processor_and_processor_before_published() -> None:
    shorter = {"visa/chargeback": 18}
    fed = RunningClock(BEGAN, FED)

    assert merchant_deadline("visa", Stage.CHARGEBACK, fed, processor_days=shorter) == Deadline(
        FED, DeadlineSource.FEED
    )
    assert merchant_deadline("visa", Stage.CHARGEBACK, RUNNING, processor_days=shorter) == Deadline(
        date(2026, 11, 19), DeadlineSource.PROCESSOR
    )
    other = merchant_deadline("amex", Stage.CHARGEBACK, RUNNING, processor_days=shorter)
    assert other == Deadline(date(2026, 11, 21), DeadlineSource.PUBLISHED)


def test_stage_without_published_days_has_no_deadline() -> None:
    assert merchant_deadline("visa", Stage.WON, RUNNING) is None


def test_every_published_clock_has_a_source() -> None:
    assert all(row["source"] for row in read_table("dispute_deadlines"))


@pytest.mark.parametrize(
    ("before", "said", "expected"),
    [
        (None, None, RunningClock(BEGAN, None)),
        (ClockedStep("chargeback", is_ended=False, clock=RUNNING), None, RunningClock(BEGAN, None)),
        (
            ClockedStep("chargeback", is_ended=False, clock=RunningClock(BEGAN, FED)),
            None,
            RunningClock(BEGAN, FED),
        ),
        (ClockedStep("chargeback", is_ended=False, clock=RUNNING), FED, RunningClock(BEGAN, FED)),
        (
            ClockedStep("chargeback", is_ended=True, clock=RunningClock(BEGAN, FED)),
            None,
            RunningClock(LATER, None),
        ),
        (
            ClockedStep("inquiry", is_ended=False, clock=RunningClock(BEGAN, FED)),
            None,
            RunningClock(LATER, None),
        ),
    ],
)
def test_clock_starts_anew_with_another_stage_or_a_reopening(
    before: ClockedStep | None, said: date | None, expected: RunningClock
) -> None:
    clock = next_clock(
        before, stage="chargeback", dispute_date=BEGAN, happened_on=LATER, reply_by=said
    )

    assert clock == expected


@pytest.mark.parametrize(
    ("clock", "days"),
    [("visa", 1), ("jcb/chargeback", 1), ("visa/won", 1), ("visa/chargeback", 0), ("", None)],
)
def test_impossible_clock_is_refused(clock: str, days: int | None) -> None:
    assert clock_problem(clock, days)
    assert clock_problem("visa/chargeback", None) is None


def test_processors_days_of_one_stage_are_no_other_stages() -> None:
    clock = RunningClock(date(2026, 11, 10), None)
    days = {"visa/chargeback": 18}

    found = [
        merchant_deadline("visa", stage, clock, processor_days=days)
        for stage in (Stage.CHARGEBACK, Stage.PRE_ARBITRATION)
    ]

    assert found == [
        Deadline(date(2026, 11, 28), DeadlineSource.PROCESSOR),
        Deadline(date(2026, 12, 10), DeadlineSource.PUBLISHED),
    ]
