"""The KPIs' truth: its cases are in the day, and its fractions are rounded as people round."""

from datetime import date
from typing import Any

import pytest

from simulation.generator import make_day
from simulation.rates import rate_text
from simulation.spellings import meant_method, spelled_method


@pytest.fixture(scope="module")
def kpis() -> dict[str, Any]:
    found: dict[str, Any] = make_day(400, 3, date(2026, 11, 1)).truth["kpis"]
    return found


def test_day_has_the_cases_that_make_a_rate_wrong(kpis: dict[str, Any]) -> None:
    rates, monthly = kpis["chargeback_rate"], kpis["chargeback_rate_monthly"]

    assert set(kpis["disputes_outside_rates"]) == {"inquiry", "unknown_payment", "failed_payment"}
    assert sum(rate["other_currency"] for rate in rates.values()) > 0
    assert any(name.endswith(" JPY") and rate["value"] for name, rate in rates.items())
    assert {"unknown", "loyalty_points"} <= set(kpis["payment_failure_rate"])
    assert any(not sides["settled"] and sides["disputed"] for sides in monthly.values())


def test_every_attribution_has_all_disputes_once_by_method_and_once_by_merchant(
    kpis: dict[str, Any],
) -> None:
    values: dict[str, int] = {}
    for name, sides in kpis["chargeback_rate_monthly"].items():
        attribution = name.split()[0]
        values[attribution] = values.get(attribution, 0) + sides["value"]

    total = sum(rate["value"] for rate in kpis["chargeback_rate"].values())
    assert values == dict.fromkeys(("sale_month", "dispute_month", "prior_month_sales"), 2 * total)


def test_attempts_of_all_days_are_those_of_the_methods(kpis: dict[str, Any]) -> None:
    daily, methods = kpis["payment_failure_daily"], kpis["payment_failure_rate"]

    for side in ("attempts", "failed"):
        assert sum(row[side] for row in daily.values()) == sum(
            row[side] for row in methods.values()
        )


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 3, "0.333333"), (2, 3, "0.666667"), (1, 2_000_000, "0.000001"), (7, 2, "3.500000"),
     (0, 5, "0.000000"), (5, 0, None)],
)  # fmt: skip
def test_rate_has_six_digits_and_rounds_a_half_up(part: int, whole: int, text: str | None) -> None:
    assert rate_text(part, whole) == text


def test_spelling_of_a_payment_never_changes_and_is_understood() -> None:
    texts = {spelled_method("credit_card", f"t-{number}") for number in range(500)}

    assert {meant_method(text) for text in texts} == {"credit_card", "unknown", "loyalty_points"}
    assert spelled_method("credit_card", "t-1") == spelled_method("credit_card", "t-1")
