"""The fast reader of CSV against a slow one that takes every line by itself."""

import io

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cardops.contracts.reading import lines
from cardops.contracts.reading.csv_rows import CsvRows
from cardops.contracts.reading.records import record_at

WIDTH = 3
# A byte that is not UTF-8, as `surrogateescape` reads and writes it.
BAD_BYTE = chr(0xDCFF)
CELLS = st.one_of(
    st.sampled_from(["", "a", " a", "a\t", '"a"', '""', '"a,b"', '"a""b"', '"a\nb"', '"', 'a"b', ' "a" ', '"a" b', "\0", "é", "a longer text than twelve bytes", '"a longer one, quoted"', BAD_BYTE]),
    st.text(alphabet='ab,"\n \0', max_size=5),
)  # fmt: skip
RECORDS = st.one_of(
    st.lists(CELLS, min_size=WIDTH, max_size=WIDTH),
    st.lists(CELLS, max_size=WIDTH + 2),
).map(",".join)
FILES = st.lists(RECORDS, max_size=12).map("\n".join)


def read_slowly(text: str) -> list[tuple[str | None, list[str] | None, str]]:
    """Framing, fields (None of a malformed record) and raw text of every record, line by line."""
    physical = text.split("\n")
    shown = [line.encode("utf-8", "surrogateescape").decode(errors="replace") for line in physical]
    found: list[tuple[str | None, list[str] | None, str]] = []
    at = 0
    while at < len(physical):
        if not physical[at].strip(" \t"):
            at += 1
            continue
        record = record_at(shown, at, WIDTH)
        raw = "\n".join(shown[at : at + record.line_count])
        is_whole = record.fields is not None and len(record.fields) == WIDTH
        framing = None if is_whole else "malformed_row"
        if "\0" in raw or BAD_BYTE in physical[at]:
            framing = "bad_encoding"
        found.append((framing, record.fields if is_whole else None, raw))
        at += record.line_count
    return found


def read_fast(text: str, *, is_trimmed: bool) -> list[tuple[str | None, list[str | None], str]]:
    content = ("x,y,z\n" + text).encode("utf-8", "surrogateescape")
    rows = pl.concat(list(CsvRows("a.csv", io.BytesIO(content)).chunks(is_trimmed=is_trimmed)))
    assert rows["row_number"].to_list() == list(range(1, rows.height + 1))
    return [
        (row["framing"], [row[str(at)] for at in range(WIDTH)], row["raw"])
        for row in rows.to_dicts()
    ]


@pytest.mark.parametrize("distance", [1, 48, 49, 50, 51, 70])
@pytest.mark.parametrize("after", [0, 1, 60])
def test_quote_that_closes_far_below_is_read_like_the_slow_one(distance: int, after: int) -> None:
    rows = ['"open,b,c', *["d,e,f"] * (distance - 1), 'x",y,z', *["g,h,i"] * after]

    found = read_fast("\n".join(rows), is_trimmed=False)

    expected = read_slowly("\n".join(rows))
    assert [(framing, raw) for framing, _, raw in found] == [
        (framing, raw) for framing, _, raw in expected
    ]


@pytest.mark.parametrize("block_bytes", [5, 1 << 20])
@pytest.mark.parametrize("examples", [40, pytest.param(2000, marks=pytest.mark.soak)])
def test_fast_reader_agrees_with_the_slow_one(block_bytes: int, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(text=FILES)
    @example(text='"open,b\n"a","b","c"\nd",e')
    @example(text='a,b,c\n"x","y, z",""\n,,')
    def check(text: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lines, "BLOCK_BYTES", block_bytes)
            found = read_fast(text, is_trimmed=False)
            trimmed = read_fast(text, is_trimmed=True)

        expected = read_slowly(text)
        assert [(framing, raw) for framing, _, raw in found] == [
            (framing, raw) for framing, _, raw in expected
        ]
        for (_, fields, _), (_, cells, _), (_, own, _) in zip(
            found, trimmed, expected, strict=True
        ):
            if own is not None:
                assert fields == own
                assert cells == [field.strip(" \t") or None for field in own]

    check()
