"""Parquet framing: whatever a file's columns are, its rows come as text or it is refused."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardops.contracts.kinds.deposits import DEPOSITS
from cardops.contracts.kinds.profile import KindProfile
from cardops.contracts.reading import parquet_rows
from cardops.contracts.reading.rows import InputRows
from cardops.contracts.reading.source import FileRefusedError, SourceFile

NAMES = ["user_id", "amount", "deposit_id", "timestamp"]
VALUES: list[Any] = [["u"], ["1.00"], ["d"], ["2026-01-02T03:04:05Z"]]


def rows(table: pa.Table, kind: KindProfile = DEPOSITS) -> list[dict[str, Any]]:
    content = io.BytesIO()
    pq.write_table(table, content)
    content.seek(0)
    chunks = InputRows(SourceFile("a.parquet", content), kind.contract).chunks()
    return [row for chunk in chunks for row in chunk.to_dicts()]


def with_column(name: str, values: pa.Array) -> pa.Table:
    """A deposit with the column instead of its own, or beside them."""
    columns = dict(zip(NAMES, VALUES, strict=True)) | {name: values}
    return pa.table(columns)


def test_required_parquet_column_twice_refuses_the_file() -> None:
    with pytest.raises(FileRefusedError, match="has column amount twice"):
        rows(pa.table([*VALUES, ["1.00"]], names=[*NAMES, "amount"]))


def test_unknown_parquet_column_twice_refuses_nothing() -> None:
    (row,) = rows(pa.table([*VALUES, ["x"], ["y"]], names=[*NAMES, "note", "note"]))

    assert (row["framing"], row["amount"]) == (None, "1.00")
    assert '"note":"x","note (column 6)":"y"' in row["raw"]


@pytest.mark.parametrize("zone", ["UTC", "+05:30", "+00:00", "Europe/Berlin", "Nowhere/Known"])
@pytest.mark.parametrize(("unit", "ticks"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_instant_is_the_same_in_every_zone_and_unit(zone: str, unit: str, ticks: int) -> None:
    instants = pa.array([1_767_323_045 * ticks], pa.timestamp(unit, zone))

    (row,) = rows(pa.table([*VALUES[:3], instants], names=NAMES))

    assert row["timestamp"] == "2026-01-02T03:04:05Z"


def test_instant_out_of_range_refuses_the_file() -> None:
    beyond = pa.array([2**62], pa.timestamp("ms"))

    with pytest.raises(FileRefusedError, match="damaged"):
        rows(pa.table([*VALUES[:3], beyond], names=NAMES))


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.int64(), 12345678901234567, "12345678901234567"),
        (pa.uint64(), 2**64 - 1, "18446744073709551615"),
        (pa.float64(), 123.0, "123"),
        (pa.float64(), 2.0**53 - 1, "9007199254740991"),
        (pa.float64(), 2.0**53, "?9007199254740992"),
        (pa.float64(), 12345678901234567.0, "?12345678901234568"),
        (pa.float64(), float("nan"), None),
        (pa.float64(), None, None),
        (pa.float64(), float("inf"), "?Infinity"),
        (pa.float32(), 16_777_215.0, "16777215"),
        (pa.float32(), 16_777_216.0, "?16777216"),
        (pa.float64(), 10.4, "10.4"),
        (pa.float64(), 1e-7, "0.0000001"),
    ],
)
def test_id_in_doubles_is_read_only_while_it_is_exact(
    kind: pa.DataType, value: float | None, text: str | None
) -> None:
    (row,) = rows(with_column("user_id", pa.array([value], kind)))

    assert row["user_id"] == text


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()])
def test_bytes_that_are_no_text_cost_their_row(kind: pa.DataType) -> None:
    values = pa.array([b"good", b"\xff", b"nul\0", None, "é".encode()], pa.large_binary())
    unchecked = values.cast(pa.binary()) if kind in {pa.string(), pa.binary()} else values
    raw = pa.Array.from_buffers(kind, len(values), unchecked.buffers())
    columns = {name: value * len(values) for name, value in zip(NAMES, VALUES, strict=True)}

    found = rows(pa.table(columns | {"deposit_id": raw}))

    assert [row["framing"] for row in found] == [None, "bad_encoding", "bad_encoding", None, None]
    assert [row["deposit_id"] for row in found] == ["good", "\ufffd", "nul\0", None, "é"]


def test_text_that_holds_replacement_characters_is_text() -> None:
    (row,) = rows(with_column("user_id", pa.array(["\ufffd\ufffd\ufffd"])))

    assert row["framing"] is None


def test_file_of_one_row_group_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "CHUNK_BYTES", 10_000)
    columns = {name: [value * 100] * 500 for name, (value,) in zip(NAMES, VALUES, strict=True)}
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content, use_dictionary=False, compression="none")
    content.seek(0)

    chunks = list(parquet_rows.ParquetRows("a.parquet", content, DEPOSITS.contract).chunks())

    assert sum(chunk.height for chunk in chunks) == 500
    assert max(chunk.height for chunk in chunks) < 10


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_parquet_values_are_read_as_they_are_one_by_one(data: st.DataObject) -> None:
    kinds = {
        pa.string(): st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
        pa.dictionary(pa.int8(), pa.string()): st.sampled_from(["a", "b"]),
        pa.int32(): st.integers(-(2**31), 2**31 - 1),
        pa.decimal128(10, 3): st.decimals(-(10**6), 10**6, places=3),
        pa.decimal256(50, 2): st.decimals(-(10**30), 10**30, places=2),
        pa.bool_(): st.booleans(),
        pa.date32(): st.dates(),
        pa.timestamp("ms", "UTC"): st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001
            lambda found: found.replace(microsecond=found.microsecond // 1000 * 1000, tzinfo=UTC)
        ),
    }
    kind = data.draw(st.sampled_from(list(kinds)))
    values = data.draw(st.lists(st.none() | kinds[kind], min_size=1, max_size=5))
    columns = {name: value * len(values) for name, value in zip(NAMES, VALUES, strict=True)}

    found = rows(pa.table(columns | {"deposit_id": pa.array(values, kind)}))

    assert [row["deposit_id"] for row in found] == [slow_text(value) for value in values]


def slow_text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case Decimal():
            digits = f"{value:f}"
            return digits.rstrip("0").rstrip(".") if "." in digits else digits
        case datetime():
            return (
                value.isoformat(timespec="microseconds")
                .removesuffix("+00:00")
                .removesuffix(".000000")
                + "Z"
            )
        case _:
            return str(value).strip(" \t") or None
