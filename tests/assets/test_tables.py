"""Frames as table metadata."""

from datetime import date

import polars as pl
import pytest

from assets.tables import table_metadata

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
