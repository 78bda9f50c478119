"""CSV framing: exact for what is well-formed, and no more than one row lost for what is not."""

import csv
import io
from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardops.contracts.reading import lines
from cardops.contracts.reading.csv_rows import CsvRows
from cardops.contracts.reading.records import MAX_RECORD_LINES, record_at

FIELDS = st.text(alphabet='ab,"\n ', max_size=6)


def read(content: bytes) -> list[tuple[str | None, list[str]]]:
    rows = CsvRows("a.csv", io.BytesIO(content))
    frame = pl.concat(list(rows.chunks()))
    assert frame["row_number"].to_list() == list(range(1, frame.height + 1))
    names = [str(place) for place in range(len(rows.table.names))]
    return [(row["framing"], [row[name] for name in names]) for row in frame.to_dicts()]


@given(st.lists(st.tuples(FIELDS, FIELDS, FIELDS), max_size=8))
def test_quoted_fields_round_trip(rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([("x", "y", "z"), *rows])

    assert read(text.getvalue().encode()) == [(None, list(row)) for row in rows]


@given(st.lists(st.text(alphabet='a,"\n ', max_size=12), max_size=20))
def test_broken_lines_neither_stop_the_reader_nor_count_twice(broken: list[str]) -> None:
    last = "sure,to,come"

    found = read("\n".join(["x,y,z", *broken, "\n" * 60 + last]).encode())

    assert found[-1] == (None, ["sure", "to", "come"])


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks of a few bytes, so that every record lies across two of them."""
    monkeypatch.setattr(lines, "BLOCK_BYTES", 7)
    return iter(())


def test_blocks_may_end_anywhere(tiny_blocks: None) -> None:
    content = b'x,y\r\n1,"two\r\nlines"\r\n3,\xc3\xa9\r\n"open,5\r\n6,7\r\r8,9'

    assert read(content) == [
        (None, ["1", "two\nlines"]),
        (None, ["3", "é"]),
        ("malformed_row", ["", ""]),
        (None, ["6", "7"]),
        (None, ["8", "9"]),
    ]


def test_overlong_line_is_one_malformed_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 100)
    monkeypatch.setattr(lines, "BLOCK_BYTES", 50)

    found = read(b"x,y\n1,2\n" + b"a" * 1000 + b"\n3,4\n")

    assert [framing for framing, _ in found] == [None, "malformed_row", None]
    assert found[-1][1] == ["3", "4"]


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('"a" , "b""c" ,d', ["a", 'b"c', "d"]),
        ('5" pipe,b', ['5" pipe', "b"]),
        (' "a,b"\t,""', ["a,b", ""]),
        ('"a"b,c', None),
        ('a,"b" c', None),
        ("a,", ["a", ""]),
    ],
)
def test_single_line_is_split_into_its_fields(line: str, fields: list[str] | None) -> None:
    assert record_at([line], 0).fields == fields


def test_open_quote_is_malformed_after_the_line_limit() -> None:
    text = ['"open', *["line"] * MAX_RECORD_LINES, 'end",b']

    assert record_at(text, 0, 2).fields is None


def test_stray_quote_closed_by_accident_costs_only_its_own_line() -> None:
    found = read(b'x,y\n"1,2\n3,4\n5,6",7\n8,9\n')

    # Lines 1 to 3 would make one record of two fields: that is what RFC 4180 says of them.
    assert found == [(None, ["1,2\n3,4\n5,6", "7"]), (None, ["8", "9"])]
    assert read(b'x,y,z\n"1,2,3\n4,5,6",7\n8,9,0\n')[0][0] == "malformed_row"
