"""Frames as table metadata."""

from datetime import date

import dagster as dg
import polars as pl
import pytest

from assets.tables import (
    money_metadata,
    plotted_money,
    priced_metadata,
    rate_metadata,
    records_metadata,
    table_metadata,
    totals_metadata,
)

pytestmark = pytest.mark.dagster


def test_rows_keep_their_values_and_dates_become_text() -> None:
    frame = pl.DataFrame({"user_id": ["ana"], "minor": [5], "on": [date(2026, 11, 20)]})

    shown = table_metadata(frame.to_pandas())

    (record,) = shown.records
    assert record.data["user_id"] == "ana"
    assert record.data["minor"] == 5
    assert str(record.data["on"]).startswith("2026-11-20")


def test_empty_frame_shows_its_columns() -> None:
    shown = table_metadata(pl.DataFrame(schema={"user_id": pl.String}).to_pandas())

    assert [column.name for column in shown.schema.columns] == ["user_id"]
    assert list(shown.records) == []


def test_card_numbers_in_text_are_masked() -> None:
    records = [{"row_number": 1, "note": "paid with 4111111111111111", "tags": ["a", "b"]}]

    (from_records,) = records_metadata(records, "row_number").records
    (from_frame,) = table_metadata(pl.DataFrame(records).to_pandas()).records

    assert "4111111111111111" not in str(from_records.data)
    assert "4111111111111111" not in str(from_frame.data)
    assert from_records.data["tags"] == "a b"


def test_no_records_show_the_first_column() -> None:
    shown = records_metadata([], "row_number")

    assert [column.name for column in shown.schema.columns] == ["row_number"]


def test_money_has_its_currencys_own_digits() -> None:
    shown = money_metadata({"USD": 2500, "JPY": -500, "KWD": 1234})

    assert [record.data for record in shown.records] == [
        {"currency": "JPY", "amount": "-500"},
        {"currency": "KWD", "amount": "1.234"},
        {"currency": "USD", "amount": "25.00"},
    ]


def test_amounts_in_minor_units_are_priced_and_counts_stay() -> None:
    shown = priced_metadata([{"currency": "USD", "rows": 3, "held_minor": 5, "paid_minor": None}])

    (record,) = shown.records
    assert record.data == {"currency": "USD", "rows": 3, "held": "0.05", "paid": None}


def test_totals_are_a_table_of_money_and_numbers_to_plot() -> None:
    shown = totals_metadata(
        [
            {"currency": "USD", "deposits": 2550, "balances": -1},
            {"currency": "JPY", "deposits": 7, "balances": 0},
        ]
    )

    table = shown.pop("totals")
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data for record in table.records] == [
        {"currency": "USD", "deposits": "25.50", "balances": "-0.01"},
        {"currency": "JPY", "deposits": "7", "balances": "0"},
    ]
    assert {name: value.value for name, value in shown.items()} == {
        "deposits_USD": 25.5,
        "balances_USD": -0.01,
        "deposits_JPY": 7.0,
        "balances_JPY": 0.0,
    }


def test_money_and_rates_are_plotted_as_numbers() -> None:
    money = plotted_money({"KWD": 1234, "USD": 2500}, "accepted")

    assert {name: value.value for name, value in money.items()} == {
        "accepted_KWD": 1.234,
        "accepted_USD": 25.0,
    }
    assert rate_metadata("permit_rate", 2, 3)["permit_rate_percent"].value == 66.667
    assert rate_metadata("permit_rate", 0, 0) == {}
