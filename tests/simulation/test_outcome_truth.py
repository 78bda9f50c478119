"""The truth of outcomes: the cases are in the day, and each way of counting has every dispute once."""

from collections import Counter
from datetime import date
from typing import Any

import pytest

from simulation.generator import make_day
from simulation.rates import wilson_texts


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    return make_day(400, 3, date(2026, 11, 1)).truth


def test_reasons_and_months_have_every_dispute_once(truth: dict[str, Any]) -> None:
    kpis = truth["kpis"]

    def sums(kpi: str) -> Counter[str]:
        total = Counter[str]()
        for found in kpis[kpi].values():
            total.update({name: found[name] for name in ("disputes", "won", "lost")})
        return total

    assert sums("dispute_outcomes_by_reason") == sums("dispute_outcomes")
    ended = sums("dispute_outcomes_monthly")
    assert ended["disputes"] == ended["won"] + ended["lost"] > 0
    assert (ended["won"], ended["lost"]) == (
        sums("dispute_outcomes")["won"],
        sums("dispute_outcomes")["lost"],
    )


def test_day_has_reasons_that_nobody_names_and_several_months(truth: dict[str, Any]) -> None:
    kpis = truth["kpis"]

    assert any(" unknown " in name for name in kpis["dispute_outcomes_by_reason"])
    assert len({name[:7] for name in kpis["dispute_outcomes_monthly"]}) > 1


def test_answers_have_a_day_or_arrive(truth: dict[str, Any]) -> None:
    answers = truth["dispute_answers"].values()

    assert {bool(answer["answered_on"]) for answer in answers} == {True, False}
    assert all(answer["answered_on"] or answer["is_answered_by_arrival"] for answer in answers)
    assert all(
        answer["opened_on"] <= answer["answered_on"] for answer in answers if answer["answered_on"]
    )


def test_interval_is_that_of_the_documented_example() -> None:
    assert wilson_texts(3, 4) == ("0.300642", "0.954413")
    assert wilson_texts(0, 0) == (None, None)
