"""A column that stands twice: one rule for every form of file."""

import io
import json
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cardops.contracts.kinds.deposits import DEPOSITS
from cardops.contracts.reading.rows import InputRows
from cardops.contracts.reading.source import FileRefusedError, SourceFile
from tests.factories.workbooks import sheet_xml, workbook

Rows = Sequence[Sequence[str]]

NAMES = ["user_id", "amount", "deposit_id", "timestamp", "currency"]
ROW = ["u1", "25.00", "d1", "2026-11-20T10:00:00Z", "USD"]


def as_csv(names: Sequence[str], rows: Rows) -> bytes:
    return "\n".join(map(",".join, [names, *rows])).encode()


def as_workbook(names: Sequence[str], rows: Rows) -> bytes:
    return workbook({"Sheet1": sheet_xml([list(names), *map(list, rows)])})


def as_parquet(names: Sequence[str], rows: Rows) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table(list(map(list, zip(*rows, strict=True))), names=list(names)), content)
    return content.getvalue()


def as_lines(names: Sequence[str], rows: Rows) -> bytes:
    return "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows).encode()


FORMS: dict[str, Callable[[Sequence[str], Rows], bytes]] = {
    "a.csv": as_csv,
    "a.xlsx": as_workbook,
    "a.parquet": as_parquet,
    "a.ndjson": as_lines,
}


def read(name: str, content: bytes) -> list[tuple[str | None, str | None]]:
    rows = InputRows(SourceFile(name, io.BytesIO(content)), DEPOSITS.contract)
    found = [row for chunk in rows.chunks() for row in chunk.to_dicts()]
    return [(row["currency"], row["framing"]) for row in found]


@pytest.mark.parametrize("name", FORMS)
def test_optional_column_twice_costs_rows_whose_values_differ(name: str) -> None:
    rows = [[*ROW, more] for more in ("USD", " USD", "", "EUR", "USD")]

    found = read(name, FORMS[name]([*NAMES, "Currency"], rows))

    assert [framing for _, framing in found] == [None, None, None, "malformed_row", None]
    assert [currency for currency, framing in found if framing is None] == ["USD"] * 4


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx", "a.parquet"])
def test_required_column_twice_refuses_the_file(name: str) -> None:
    content = FORMS[name]([*NAMES, "Amount"], [[*ROW, "25.00"]])

    with pytest.raises(FileRefusedError, match="has column amount twice"):
        read(name, content)


def test_required_name_twice_costs_its_object() -> None:
    whole, twice = as_lines(NAMES, [ROW]), as_lines([*NAMES, "Amount"], [[*ROW, "25.00"]])

    assert read("a.ndjson", whole + b"\n" + twice) == [("USD", None), (None, "malformed_row")]
