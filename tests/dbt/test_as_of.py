"""What the marts say of a past date is what a build of that date's lake says, whatever arrived later."""

from datetime import date
from pathlib import Path
from random import Random

import duckdb
import pytest

from tests.dbt.test_incremental_builds import ChangingLake, build
from tests.fakes.lake import FakeLake
from tests.servers.plain_dbt import PlainDbt

_RATE = """
    transaction_volume_minor, dispute_value_minor, settled_transaction_count, disputed_transaction_count,
    dispute_count, other_currency_dispute_count
"""
_SUMS = ", ".join(f"sum({name.strip()})::decimal(38, 0)" for name in _RATE.split(","))
_BOUNDS = """
    chargeback_rate_by_value, chargeback_rate_by_count, chargeback_rate_by_count_lower,
    chargeback_rate_by_count_upper, is_base_small
"""
_DISPUTE = """
    dispute_key, transaction_id, stage, status, outcome, is_open, is_inquiry, dispute_amount_minor,
    dispute_currency, reason_code, opened_on, reply_by_on, clock, reopened_count, version_count
"""
_DAYS = "program, day, payment_method, provider, error_code, attempt_count, failed_count"
AS_OF = "valid_from_on <= $day and (valid_to_on is null or valid_to_on >= $day)"
# The same columns of the snapshots as of a date, and of the marts of a lake that ends at the date.
QUESTIONS = {
    "rates over all time": (
        f"select program, payment_method, currency, {_RATE}, {_BOUNDS}",
        "from fct_chargeback_rate_snapshots where attribution = 'all_time' and",
        f"select program, payment_method, currency, {_RATE}, {_BOUNDS}",
        "from fct_chargeback_rate_per_payment_method",
    ),
    "rates by month": (
        f"select program, attribution, month, payment_method, currency, {_RATE}",
        "from fct_chargeback_rate_snapshots where attribution != 'all_time' and",
        f"select program, attribution, month, payment_method, currency, {_SUMS}",
        "from fct_chargeback_rate_monthly group by all",
    ),
    "failures by day": (
        f"select {_DAYS}", "from fct_payment_failure_snapshots where",
        f"select {_DAYS}", "from fct_payment_failure_daily",
    ),
    "disputes": (
        f"select {_DISPUTE}", "from fct_dispute_snapshots where",
        f"select {_DISPUTE}", "from fct_disputes",
    ),
}  # fmt: skip
MARTS = ("fct_chargeback_rate_snapshots", "fct_chargeback_rate_monthly",
         "fct_chargeback_rate_per_payment_method", "fct_payment_failure_snapshots",
         "fct_payment_failure_daily", "fct_dispute_snapshots", "fct_disputes")  # fmt: skip


def lake_of(lake: FakeLake, day: date) -> FakeLake:
    """What had arrived at the close of the date."""
    return FakeLake({file: frame for file, frame in lake.frames.items() if file[1] <= day})


def answers(build_file: Path, query: str, day: date) -> list[tuple[object, ...]]:
    with duckdb.connect(str(build_file), read_only=True) as session:
        session.execute("set search_path = 'marts'")
        values = {"day": day} if "$day" in query else None
        return sorted(session.execute(query, values).fetchall(), key=repr)


def check_dates(dbt: PlainDbt, folder: Path, seeds: range, steps: int, dates: int) -> None:
    rows = dict.fromkeys(QUESTIONS, 0)
    for seed in seeds:
        changing = ChangingLake(Random(seed))  # noqa: S311 - not for secrets
        for _ in range(steps):
            changing.change()
        newest = build(dbt, changing.lake, folder / f"newest-{seed}")
        days = sorted({day for _, day, _ in changing.lake.frames})
        for day in changing.random.sample(days, min(dates, len(days) - 1)) + days[-1:]:
            past = build(dbt, lake_of(changing.lake, day), folder / f"past-{seed}-{day}")
            for name, (asked, snapshots, expected_of, marts) in QUESTIONS.items():
                expected = answers(past, f"{expected_of} {marts}", day)
                found = answers(newest, f"{asked} {snapshots} {AS_OF}", day)
                assert found == expected, (name, seed, day)
                rows[name] += len(expected)
    assert all(rows.values())


def test_snapshots_say_what_marts_of_the_date_said(tmp_path: Path) -> None:
    check_dates(PlainDbt(MARTS), tmp_path, range(1), steps=24, dates=2)


@pytest.mark.soak
def test_snapshots_of_many_dates_say_what_marts_of_the_dates_said(tmp_path: Path) -> None:
    check_dates(PlainDbt(MARTS), tmp_path, range(1, 20), steps=40, dates=4)
