"""Where the simulated merchants must stand, counted by hand for some days of a month."""

import csv
from datetime import date
from pathlib import Path

import pytest

from simulation.monitored_merchant import Month, monitoring_truth, write_files

JUNE = Month(date(2026, 6, 1))


@pytest.mark.parametrize(
    ("as_of_on", "forecast", "forecast_tier", "alarm"),
    [
        (date(2026, 6, 4), None, None, None),  # too early
        (date(2026, 6, 5), 480, "hecm", "forecast"),  # 80 / 5 * 30 of 1,200 sales
        (date(2026, 6, 24), 100, "ecm", "forecast"),
        (date(2026, 6, 25), 96, None, "near"),  # 80 of 100 are more than three quarters
        (date(2026, 6, 30), 80, None, "near"),
        (date(2026, 7, 1), 80, None, None),  # the month is over
    ],
)
def test_forecast_of_the_merchant_near_the_line(
    as_of_on: date, forecast: int | None, forecast_tier: str | None, alarm: str | None
) -> None:
    ecm = monitoring_truth(JUNE, as_of_on)["near-line/mastercard_ecm"]

    assert (ecm["cases"], ecm["sales"], ecm["ratio"], ecm["tier"]) == (80, 1200, "0.066667", None)
    assert ecm["cases_to_line"] == 20
    assert (ecm["forecast_cases"], ecm["forecast_tier"], ecm["alarm"]) == (
        forecast, forecast_tier, alarm,
    )  # fmt: skip


def test_withdrawn_reports_and_resolved_disputes_do_not_count() -> None:
    found = monitoring_truth(JUNE, date(2026, 6, 30))

    vamp = found["near-line/visa_vamp"]
    assert (vamp["disputes"], vamp["fraud_reports"], vamp["cases"]) == (4, 10, 14)
    assert (vamp["excluded_disputes"], vamp["excluded_fraud_reports"]) == (2, 2)
    assert found["*/visa_vamp_acquirer"]["tier"] == "excessive"  # 3.50 %
    assert "quiet/visa_vamp" not in found


def test_files_have_what_the_truth_counts_and_are_the_same_all_month(tmp_path: Path) -> None:
    paths = write_files(tmp_path / "first", JUNE)
    again = write_files(tmp_path / "again", Month.of(date(2026, 6, 30)))

    assert {kind: path.read_bytes() for kind, path in paths.items()} == {
        kind: path.read_bytes() for kind, path in again.items()
    }
    rows = {
        kind: list(csv.DictReader(path.read_text().splitlines())) for kind, path in paths.items()
    }
    assert {row["created_at"][:10] for row in rows["transactions"]} == {"2026-05-22", "2026-06-01"}
    assert len(rows["transactions"]) == 1_900
    assert len({row["transaction_id"] for row in rows["transactions"]}) == 1_900
    disputes = [row["card_network"] for row in rows["chargebacks"]]
    assert (disputes.count("mastercard"), disputes.count("visa")) == (81, 6)
    assert [row["status"] for row in rows["fraud_reports"]].count("withdrawn") == 2
    assert [row["outcome"] for row in rows["pre_dispute_outcomes"]] == [
        "accepted", "accepted", "declined",
    ]  # fmt: skip
