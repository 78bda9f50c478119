"""Writes the files of a simulated day: CSV, NDJSON, JSON array, Parquet, and gzip of them.

Belongs here: bytes, and nothing about what rows mean. The same rows give the same bytes on every
Python: gzip is pyarrow's, because the interpreters' own compressors differ.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from simulation.rows import Cell, InputFile, Number, Row

_PLAIN_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
# A blank line after every so many rows, and a padded cell in every so many.
_BLANK_EVERY: Final = 97
_PADDED_EVERY: Final = 13


def write_input_file(file: InputFile, target: Path) -> None:
    """Write the file in the format that its name gives."""
    target.parent.mkdir(parents=True, exist_ok=True)
    plain_name = file.name.removesuffix(".gz")
    content = _WRITERS[plain_name.rpartition(".")[2]](file)
    if plain_name != file.name:
        content = pa.compress(content, codec="gzip", asbytes=True)
    target.write_bytes(content)


def headers_of(file: InputFile) -> dict[str, str]:
    """Canonical column -> what the file calls it."""
    return {column: file.names.get(column, _camel(column, file)) for column in file.columns}


def _camel(name: str, file: InputFile) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest)) if file.is_camel else name


def _csv(file: InputFile) -> bytes:
    text = io.StringIO(newline="")
    line_end = "\r\n" if file.is_spreadsheet else "\n"
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(headers_of(file).values())
    for number, row in enumerate(file.rows, start=1):
        cells = [row.cells.get(column, "") for column in file.columns]
        if row.is_malformed:
            cells += ["one cell", "too many"]
        if file.is_spreadsheet and number % _PADDED_EVERY == 0:
            cells[0] = f"  {cells[0]}\t"
        writer.writerow(cells)
        if file.is_spreadsheet and number % _BLANK_EVERY == 0:
            text.write(line_end)
    encoded = text.getvalue().encode(errors="surrogateescape")
    return b"\xef\xbb\xbf" + encoded if file.is_spreadsheet else encoded


def _ndjson(file: InputFile) -> bytes:
    headers = headers_of(file)
    lines = (_json_line(file, headers, row) for row in file.rows)
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


def _json_array(file: InputFile) -> bytes:
    headers = headers_of(file)
    lines = ",\n  ".join(_json_row(file, headers, row) for row in file.rows)
    return f"[\n  {lines}\n]\n".encode(errors="surrogateescape")


def _json_line(file: InputFile, headers: Mapping[str, str], row: Row) -> str:
    line = _json_row(file, headers, row)
    return line[: len(line) // 2] if row.is_malformed else line


def _json_row(file: InputFile, headers: Mapping[str, str], row: Row) -> str:
    return _encoded({header: _cell(file, row, column) for column, header in headers.items()})


def _cell(file: InputFile, row: Row, column: str) -> Cell:
    value = row.cells.get(column)
    if file.nests and column == "payment_method":
        return {"type": value, "provider": row.cells.get("provider")}
    if value == "":
        return None
    is_amount = file.has_number_amounts and "amount" in column
    if is_amount and isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value):
        return Number(value)
    return value


def _encoded(value: Cell | Mapping[str, Cell]) -> str:
    """JSON in which a Number keeps its digits: `25.00` stays `25.00`."""
    if isinstance(value, str):
        return str(value) if isinstance(value, Number) else encode_basestring(value)
    if isinstance(value, Mapping):
        pairs = (f"{encode_basestring(key)}: {_encoded(cell)}" for key, cell in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_encoded, value))}]"
    return json.dumps(value)


def _parquet(file: InputFile) -> bytes:
    columns = {
        header: _column(file, column, [row.cells.get(column) or None for row in file.rows])
        for column, header in headers_of(file).items()
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return bytes(sink.getvalue())


def _column(file: InputFile, column: str, values: list[Cell]) -> pa.Array:
    if file.is_typed and column == "amount":
        numbers = [None if value is None else Decimal(str(value)) for value in values]
        return pa.array(numbers, pa.decimal128(18, 2))
    if file.is_typed and column == "timestamp":
        instants = [None if value is None else _instant(str(value)) for value in values]
        return pa.array(instants, pa.timestamp("us", "UTC"))
    return pa.array(values, pa.string())


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_WRITERS: Final[Mapping[str, Callable[[InputFile], bytes]]] = {
    "csv": _csv,
    "ndjson": _ndjson,
    "json": _json_array,
    "parquet": _parquet,
}
