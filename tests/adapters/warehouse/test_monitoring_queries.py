"""What the daily report reads of monitoring programmes: the report's month and the one before."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb
import pytest

from cardops.adapters.warehouse.monitoring_queries import MONITORING_QUERIES
from cardops.services.reports.monitoring_tables import monitoring_tables
from tests.factories.daily_reports import figures

DAY = date(2026, 11, 20)
COLUMNS = {
    "program": "varchar", "merchant_id": "varchar", "programme": "varchar", "subject": "varchar",
    "month": "date", "case_count": "bigint", "sales_count": "bigint", "line_tier": "varchar",
    "line_ratio_bps": "integer", "line_case_count": "bigint", "tier_reached": "varchar",
    "cases_to_line": "bigint", "forecast_basis": "varchar", "forecast_case_count": "bigint",
    "forecast_sales_count": "bigint", "forecast_tier": "varchar", "alarm_level": "varchar",
    "missing_inputs": "varchar", "is_lower_bound": "boolean", "is_in_programme": "boolean",
    "months_below_count": "integer", "exit_month_count": "integer",
}  # fmt: skip


def a_row(merchant_id: str, cases: int, **values: object) -> Mapping[str, object]:
    return {
        "program": "p", "merchant_id": merchant_id, "programme": "mastercard_ecm",
        "subject": "merchant", "month": date(2026, 11, 1), "case_count": cases,
        "sales_count": 1_000, "line_tier": "ecm", "line_ratio_bps": 150, "line_case_count": 100,
        "cases_to_line": 100 - cases, "forecast_basis": "linear_by_days",
        "forecast_case_count": cases * 3 // 2, "forecast_sales_count": 1_000,
        "is_lower_bound": False, "is_in_programme": False, "exit_month_count": 3, **values,
    }  # fmt: skip


def found(*rows: Mapping[str, object]) -> dict[str, list[dict[str, Any]]]:
    session = duckdb.connect()
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    session.execute(f"create table fct_monitoring_programmes ({columns})")
    for row in rows:
        values = [row.get(name) for name in COLUMNS]
        marks = ", ".join("?" * len(COLUMNS))
        session.execute(f"insert into fct_monitoring_programmes values ({marks})", values)  # noqa: S608 - only our own names
    return {
        name: session.sql(query, params={"day": DAY}).to_arrow_table().to_pylist()
        for name, query in MONITORING_QUERIES.items()
    }


def test_merchants_at_a_line_come_first_then_alarms_then_by_nearness() -> None:
    rows = [
        a_row("far", 10),
        a_row("last-month", 60, month=date(2026, 10, 1)),
        a_row("near", 60),
        a_row("coming", 40, alarm_level="forecast"),
        a_row("over", 120, tier_reached="ecm", alarm_level="reached"),
        a_row("without-a-case", 0),
        a_row("older", 90, month=date(2026, 9, 1)),
        a_row("later", 90, month=date(2026, 12, 1)),
        a_row("no-sales", 5, sales_count=0, cases_to_line=None),
        a_row("leaving", 0, is_in_programme=True, months_below_count=1),
    ]

    listed = found(*rows)["monitoring"]

    assert [row["merchant_id"] for row in listed] == [
        "over", "leaving", "coming", "near", "far", "no-sales", "last-month",
    ]  # fmt: skip
    assert [row["needed_count"] for row in listed] == [100, 100, 100, 100, 100, None, 100]
    assert {row["found"] for row in listed} == {7}
    assert {row["month"] for row in listed} == {"2026-10", "2026-11"}


def test_list_is_cut_and_says_how_many_there_are() -> None:
    listed = found(*(a_row(f"m{number}", number) for number in range(1, 41)))["monitoring"]

    assert [len(listed), listed[0]["found"], listed[0]["merchant_id"]] == [25, 40, "m40"]


def test_alarms_are_counted_for_the_reports_month_only() -> None:
    levels = found(
        a_row("a", 80, alarm_level="near"),
        a_row("b", 80, alarm_level="near"),
        a_row("c", 120, alarm_level="reached"),
        a_row("d", 120, alarm_level="reached", month=date(2026, 10, 1)),
        a_row("e", 1),
    )["monitoring_levels"]

    assert [(row["alarm_level"], row["merchants"]) for row in levels] == [
        ("reached", 1),
        ("near", 2),
    ]


def test_each_missing_input_is_counted_by_itself_also_without_a_case() -> None:
    gaps = found(
        a_row("a", 3, missing_inputs="fraud_reports,region"),
        a_row("b", 0, missing_inputs="region"),
        a_row("*", 3, missing_inputs="region", subject="acquirer"),
        a_row("c", 3),
        a_row("d", 3, missing_inputs="sales", month=date(2026, 9, 1)),
    )["monitoring_gaps"]

    assert [(row["missing"], row["merchants"]) for row in gaps] == [
        ("fraud_reports", 1),
        ("region", 2),
    ]


@pytest.mark.parametrize("cases", [3, 120])
def test_page_takes_what_the_queries_give(cases: int) -> None:
    rows = found(
        a_row("a", cases, missing_inputs="region", tier_reached="ecm", alarm_level="reached")
    )

    nearest, gaps = monitoring_tables(figures(**rows))

    texts = [cell.text for cell in nearest.rows[0]]
    assert texts[:4] == ["a", "mastercard_ecm", "Nov\N{NO-BREAK SPACE}2026", "p"]
    assert texts[-2:] == ["in ecm", "region"]
    assert gaps.rows[0][0].text == "region"
