"""What a demo compares: a wrong deadline, fill or flag in any place is a difference that names it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from orchestration.demo.deadlines import Deadlines, FoundDeadlines
from orchestration.demo.filed_lines import FiledLines
from orchestration.demo.kpis import FoundAnswers
from orchestration.demo.truth import (
    answer_differences,
    deadline_differences,
    filed_differences,
    held_differences,
)
from simulation.disputed_money import filing_truth

TODAY = date(2026, 11, 20)
ARRIVED = date(2026, 11, 18)
NAMED, COUNTED, UNDATED = "visa case-1", "mastercard case-2", "visa txn-3 500"
TRUTH: Mapping[str, Any] = {
    "deadlines": {
        "disputes": {
            NAMED: {
                "stage": "chargeback",
                "clock": "feed",
                "reply_by": "2026-11-19",
                "days_after_arrival": None,
            },
            COUNTED: {
                "stage": "chargeback",
                "clock": "processor",
                "reply_by": None,
                "days_after_arrival": 6,
            },
            UNDATED: {
                "stage": "inquiry",
                "clock": None,
                "reply_by": None,
                "days_after_arrival": None,
            },
        }
    },
    "chargebacks": {
        "filed": {
            "networks": {"visa": {"lines": 2, "columns": {"arn": 1, "merchant_id": 2}}},
            "flags": {"duplicate_case": 1},
        }
    },
}


def deadline(stage: str, clock: str | None, days_left: int | None, as_of: date) -> dict[str, Any]:
    return {
        "stage": stage,
        "clock": clock,
        "reply_by": None if days_left is None else (as_of + timedelta(days=days_left)).isoformat(),
        "days_left": days_left,
        "is_overdue": days_left is not None and days_left < 0,
    }


def right_place(as_of: date = TODAY) -> Deadlines:
    late = (as_of - TODAY).days
    return Deadlines(
        as_of,
        {
            NAMED: deadline("chargeback", "feed", -1 - late, as_of),
            COUNTED: deadline("chargeback", "processor", 4 - late, as_of),
            UNDATED: deadline("inquiry", None, None, as_of),
        },
    )


RIGHT = FoundDeadlines(
    right_place(), right_place(), dict.fromkeys((NAMED, COUNTED, UNDATED), ARRIVED)
)


def altered(place: Deadlines, name: str, **figures: object) -> Deadlines:
    return replace(place, disputes={**place.disputes, name: {**place.disputes[name], **figures}})


def test_right_deadlines_are_no_difference() -> None:
    assert deadline_differences(TRUTH, RIGHT, TODAY) == []


def test_each_place_counts_from_its_own_day() -> None:
    """Midnight may pass between the close and the look into the queue."""
    found = replace(RIGHT, queue=right_place(TODAY + timedelta(days=1)))

    assert deadline_differences(TRUTH, found, TODAY) == []


@pytest.mark.parametrize("place", ["mart", "queue"])
@pytest.mark.parametrize(
    ("name", "figures"),
    [
        (NAMED, {"reply_by": "2026-11-18"}),
        (NAMED, {"clock": "published"}),
        (NAMED, {"is_overdue": False}),
        (COUNTED, {"days_left": 5}),
        (COUNTED, {"reply_by": None, "days_left": None}),
        (COUNTED, {"stage": "representment"}),
        (UNDATED, {"clock": "published", "reply_by": "2026-12-01", "days_left": 11}),
    ],
)
def test_wrong_deadline_in_one_place_is_one_difference(
    place: str, name: str, figures: Mapping[str, object]
) -> None:
    wrong = altered(right_place(), name, **figures)
    found = replace(RIGHT, mart=wrong) if place == "mart" else replace(RIGHT, queue=wrong)

    (difference,) = deadline_differences(TRUTH, found, TODAY)

    assert name in difference
    assert place in difference


@pytest.mark.parametrize("name", [NAMED, COUNTED, UNDATED])
def test_dispute_that_a_place_lacks_is_a_difference(name: str) -> None:
    disputes = {other: said for other, said in RIGHT.queue.disputes.items() if other != name}
    found = replace(RIGHT, queue=Deadlines(TODAY, disputes))

    (difference,) = deadline_differences(TRUTH, found, TODAY)

    assert name in difference


def test_ended_dispute_in_the_queue_is_a_difference() -> None:
    more = {**RIGHT.queue.disputes, "visa case-9": deadline("chargeback", "feed", 3, TODAY)}

    (difference,) = deadline_differences(TRUTH, replace(RIGHT, queue=Deadlines(TODAY, more)), TODAY)

    assert "visa case-9" in difference


def test_mart_that_counts_from_another_day_is_a_difference() -> None:
    found = replace(RIGHT, mart=right_place(TODAY - timedelta(days=1)))

    (difference,) = deadline_differences(TRUTH, found, TODAY)

    assert str(TODAY) in difference


def filed() -> FiledLines:
    return FiledLines(
        filled={"visa": 2},
        columns={"visa": {"arn": 1, "merchant_id": 2}},
        flags={"duplicate_case": 1},
    )


def test_right_fills_and_flags_are_no_difference() -> None:
    assert filed_differences(TRUTH, filed()) == []


@pytest.mark.parametrize(
    ("wrong", "subject"),
    [
        ({"filled": {"visa": 1}}, "filled columns at visa"),
        ({"filled": {"visa": 2, "amex": 1}}, "filled columns at amex"),
        ({"columns": {"visa": {"arn": 2, "merchant_id": 2}}}, "filled for visa"),
        ({"columns": {}}, "filled for visa"),
        ({"flags": {}}, "duplicate_case"),
        ({"flags": {"duplicate_case": 1, "failed_payment": 1}}, "failed_payment"),
        ({"waiting": {"rejected": 1}}, "rejected"),
    ],
)
def test_wrong_fill_flag_or_waiting_row_is_a_difference(
    wrong: Mapping[str, Any], subject: str
) -> None:
    (difference,) = filed_differences(TRUTH, replace(filed(), **wrong))

    assert subject in difference


@pytest.mark.parametrize(
    "wrong",
    [
        {"waiting": {}},
        {"waiting": {"failed_payment": 2}},
        {"received": {"visa": {"rows": 4, "totals": {"USD": 110_00}}}},
    ],
)
def test_held_dispute_that_is_sent_or_does_not_wait_is_a_difference(
    wrong: Mapping[str, Any],
) -> None:
    expected = filing_truth()

    assert held_differences(expected, filing_truth()) == []
    assert len(held_differences(expected, {**expected, **wrong})) == 1


def answer(name_of_day: str | None, *, by_arrival: bool = False) -> dict[str, Any]:
    return {
        "group": "visa fraud USD",
        "opened_on": "2026-11-01",
        "answered_on": name_of_day,
        "is_answered_by_arrival": by_arrival,
    }


ANSWERED = {
    "dispute_answers": {
        "visa case-1": answer("2026-11-05"),
        "visa case-2": answer(None, by_arrival=True),
        # The day that a row says is before the other row's arrival.
        "visa case-3": answer("2026-11-03", by_arrival=True),
    }
}


def test_days_to_respond_count_to_the_day_said_or_else_to_the_arrival() -> None:
    arrived_on = dict.fromkeys(ANSWERED["dispute_answers"], ARRIVED)
    # 4, 17 and 2 days: 23 / 3 = 7.67.
    right = {"answered": 3, "average_days": "7.67", "longest_days": 17}

    assert not answer_differences(ANSWERED, FoundAnswers({"visa fraud USD": right}, arrived_on))


@pytest.mark.parametrize("wrong", [{"answered": 2}, {"average_days": "7.66"}, {"longest_days": 18}])
def test_wrong_days_to_respond_are_named(wrong: dict[str, Any]) -> None:
    arrived_on = dict.fromkeys(ANSWERED["dispute_answers"], ARRIVED)
    shown = {"answered": 3, "average_days": "7.67", "longest_days": 17, **wrong}

    (difference,) = answer_differences(
        ANSWERED, FoundAnswers({"visa fraud USD": shown}, arrived_on)
    )
    assert difference.startswith("days to respond of visa fraud USD should be")
