"""The band around a provider's failures, counted by hand, and the providers of the demo."""

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest

from simulation.ill_provider import METHOD, PROVIDERS, attempts_until, write_file
from simulation.provider_health_truth import Attempts, provider_health_truth

DAY = date(2026, 11, 1)


def found_on(day: date, *attempts: Attempts) -> dict[str, object]:
    found = provider_health_truth(attempts)[f"{day} stripe card"]
    return {name: found[name] for name in ("centre", "lower", "upper", "position")}


def tried(days_before: int, count: int, failed: int) -> Attempts:
    return Attempts(DAY - timedelta(days=days_before), "stripe", "card", count, failed)


@pytest.mark.parametrize(("failed", "position"), [(12, "above"), (11, "within"), (0, "within")])
def test_day_is_judged_by_the_days_before_it(failed: int, position: str) -> None:
    # 10 of 200; 3 * sqrt(11/202 * 191/202 / 100) = 0.068074; the oldest day is too old.
    base = (tried(29, 500, 500), tried(28, 150, 0), tried(1, 50, 10))

    assert found_on(DAY, *base, tried(0, 100, failed)) == {
        "centre": "0.050000", "lower": "0.000000", "upper": "0.118074", "position": position,
    }  # fmt: skip


@pytest.mark.parametrize(("base", "count"), [(199, 100), (200, 29)])
def test_day_or_base_that_is_too_small_is_not_judged(base: int, count: int) -> None:
    found = found_on(DAY, tried(1, base, 0), tried(0, count, count))

    assert found == {"centre": None, "lower": None, "upper": None, "position": "not_judged"}


def test_providers_of_the_demo_are_ill_well_and_too_small() -> None:
    found = provider_health_truth(attempts_until(DAY))

    positions = {
        provider.name: found[f"{DAY} {provider.name} {METHOD}"]["position"]
        for provider in PROVIDERS
    }
    assert positions == {
        "stripe": "above", "adyen": "below", "worldpay": "within", "marqeta": "not_judged",
    }  # fmt: skip


def test_file_has_the_attempts(tmp_path: Path) -> None:
    text = write_file(tmp_path, DAY).read_text()
    rows = list(csv.DictReader(text.splitlines()))

    assert len({row["transaction_id"] for row in rows}) == len(rows)
    assert provider_health_truth(
        Attempts(
            date.fromisoformat(row["created_at"][:10]), row["provider"], row["payment_method"], 1,
            int(row["status"] == "failed"),
        )
        for row in rows
    ) == provider_health_truth(attempts_until(DAY))  # fmt: skip
