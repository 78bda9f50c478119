"""The rows of a raw deposit file, read a second time by other means than the intake's.

Belongs here: Python's own csv and json readers, polars for Parquet, and scalar rules. Nothing of
cardops.contracts.reading or cardops.contracts.judging: a mistake there must not hide itself here.
The form of the files is that of docs/file-formats.md.
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any, BinaryIO, Final, cast

import polars as pl
import pyarrow as pa

from cardops.rules.currencies import EXPONENTS
from cardops.rules.intake.files import ID_PATTERN
from cardops.rules.money import AmountProblem, parse_amount
from cardops.rules.reconciliation.raw_files import RawDeposit

# The names of a column in a header, best first; the underscore may be absent.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "user_id": ("user_id", "customer_id"),
    "amount": ("amount", "amt"),
    "deposit_id": ("deposit_id",),
    "timestamp": ("timestamp", "created_at"),
    "currency": ("currency",),
}
MAX_RECORD_LINES: Final = 50
MAX_LINE_CHARACTERS: Final = 1024 * 1024
MAX_DEPTH: Final = 32
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Values of one row by column; None for a row that is no record.
Values = Mapping[str, str | None]

_ID: Final = re.compile(ID_PATTERN, re.ASCII)
_INSTANT: Final = re.compile(
    r"(19|2\d)\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII
)
_NOT_TEXT: Final = re.compile(r"[\udc80-\udcff\0]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff\0]")
_SEPARATORS: Final = re.compile(r"[\s,\ufeff]*")
_SIGN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]', re.DOTALL)


def read_rows(name: str, content: BinaryIO) -> Iterator[Values | None]:
    """Every row in file order; None for one that is no record. `name` tells the format.

    Closes `content` at the end.
    """
    plain = name.lower().removesuffix(".gz").removesuffix(".zst")
    stream = decompressed(name.lower(), content)
    if plain.endswith(".parquet"):
        yield from _parquet_rows(stream)
        return
    with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape") as text:
        if plain.endswith(".csv"):
            yield from _csv_rows(text)
        else:
            yield from _json_rows(text, may_have_lines=plain.endswith(".ndjson"))


def decompressed(name: str, content: BinaryIO) -> BinaryIO:
    """The stream without its compression."""
    if name.endswith(".gz"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=content))
    if not name.endswith(".zst"):
        return content
    stream = pa.CompressedInputStream(pa.PythonFile(content, mode="r"), "zstd")
    # Parquet is read from its end, which a compressed stream cannot reach.
    is_parquet = name.endswith(".parquet.zst")
    return cast("BinaryIO", io.BytesIO(stream.read()) if is_parquet else stream)


def as_deposit(row_number: int, values: Values | None, currency: str) -> RawDeposit | None:
    """The row as a deposit, in the program's currency where it names none; None if invalid."""
    if values is None:
        return None
    cells = {name: (values.get(name) or "").strip(" \t") for name in COLUMNS}
    code = cells["currency"] or currency
    if code not in EXPONENTS or not (_is_id(cells["deposit_id"]) and _is_id(cells["user_id"])):
        return None
    amount = parse_amount(cells["amount"], code)
    micros = _micros(cells["timestamp"])
    if isinstance(amount, AmountProblem) or micros is None:
        return None
    return RawDeposit(row_number, cells["deposit_id"], cells["user_id"], code, amount, micros)


def is_naive_instant(text: str) -> bool:
    """Whether the text is an instant without an offset."""
    found = _INSTANT.fullmatch(text.upper().replace(",", "."))
    return found is not None and found[4] is None


def _is_id(text: str) -> bool:
    return bool(_ID.fullmatch(text)) and text not in {".", ".."}


def _micros(text: str) -> int | None:
    """Microseconds since 1970; an instant without an offset is in UTC."""
    normal = text.upper().replace(",", ".")
    if not _INSTANT.fullmatch(normal):
        return None
    try:
        at = datetime.fromisoformat(normal)
    except ValueError:
        return None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)


def _places(names: Sequence[str]) -> dict[str, int]:
    """Column -> its position under these header names."""
    found = [name.strip(" \t\ufeff").lower() for name in names]
    places: dict[str, int] = {}
    for column, candidates in COLUMNS.items():
        for candidate in candidates:
            positions = [
                position
                for position, name in enumerate(found)
                if name in {candidate, candidate.replace("_", "")}
                and position not in places.values()
            ]
            if positions:
                places[column] = positions[0]
                break
    return places


def _csv_rows(text: io.TextIOWrapper) -> Iterator[Values | None]:
    lines = (line.removesuffix("\n") for line in text)
    header: Sequence[str] | None = None
    places: dict[str, int] = {}
    for fields in csv_records(lines):
        if header is None:
            header, places = fields or [], _places(fields or [])
        elif fields is None or len(fields) != len(header):
            yield None
        else:
            yield {column: fields[place] for column, place in places.items()}


def csv_records(lines: Iterator[str], delimiter: str = ",") -> Iterator[list[str] | None]:
    """Fields of each record; a quote that is never closed costs its own line only."""
    waiting: list[str] = []
    width: int | None = None
    blanks = " \t".replace(delimiter, "")
    while True:
        line = waiting.pop(0) if waiting else next(lines, None)
        if line is None:
            return
        if not line.strip(blanks):
            continue
        if _NOT_TEXT.search(line) or len(line) > MAX_LINE_CHARACTERS:
            fields, count = None, 1
        elif '"' not in line:
            fields, count = line.split(delimiter), 1
        else:
            waiting.extend(islice(lines, max(0, MAX_RECORD_LINES - 1 - len(waiting))))
            record = [line, *waiting[: MAX_RECORD_LINES - 1]]
            fields, count = _quoted_record(record, width, delimiter)
        del waiting[: count - 1]
        width = width or len(fields or [])
        yield fields


def _quoted_record(
    lines: Sequence[str], width: int | None, delimiter: str
) -> tuple[list[str] | None, int]:
    """The record that begins with the first line, and how many lines it has."""
    between, blanks = re.escape(delimiter), " \t".replace(delimiter, "")
    before = re.compile(rf'(^|{between})[{blanks}]+"')
    after = re.compile(rf'"[{blanks}]+({between}|$)')
    trimmed = (after.sub(r'"\1', before.sub(r'\1"', line)) for line in lines)
    # The reader takes a line's end into a quoted field only where the line has one.
    reader = csv.reader((f"{line}\n" for line in trimmed), strict=True, delimiter=delimiter)
    try:
        fields = next(reader)
    except csv.Error:
        return None, 1
    count = reader.line_num
    has_bad_line = any(_NOT_TEXT.search(line) for line in lines[:count])
    if count > 1 and width is not None and len(fields) != width:
        return None, 1
    return (None if has_bad_line else fields), count


def _json_rows(text: io.TextIOWrapper, *, may_have_lines: bool) -> Iterator[Values | None]:
    content = text.read().lstrip("\ufeff \t\r\n")
    has_lines = may_have_lines and content.startswith("{")
    elements = map(_decoded, content.split("\n")) if has_lines else _elements(content)
    for element in elements:
        if element is not _BLANK:
            yield _values_of(element)


def _decoded(line: str) -> Any:
    """The line's element, None for a broken one, _BLANK for a blank line."""
    if not line.strip():
        return _BLANK
    try:
        return None if _NOT_TEXT.search(line) else _DECODER.decode(line)
    except (ValueError, RecursionError):
        return None


def _elements(content: str) -> Iterator[Any]:
    """Elements of an array, or of objects one after another; None for a broken one."""
    is_array = content.startswith("[")
    position = int(is_array)
    while True:
        position = _end_of_match(_SEPARATORS, content, position)
        if position >= len(content):
            if is_array:
                yield None  # cut short
            return
        if is_array and content[position] == "]":
            return
        try:
            element, position = _DECODER.raw_decode(content, position)
        except (ValueError, RecursionError):
            element, position = None, _end_of_broken(content, position)
            is_array = is_array and position < len(content)
        yield element


def _end_of_match(pattern: re.Pattern[str], content: str, position: int) -> int:
    found = pattern.match(content, position)
    return found.end() if found else position


def _end_of_broken(content: str, position: int) -> int:
    depth = 0
    for sign in _SIGN.finditer(content, position):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(sign[0], 0)
        if depth < 0 or (depth == 0 and sign[0] == ","):
            return max(sign.start(), position + 1)
        if depth == 0 and sign[0] in "}]":
            return sign.end()
    return len(content)


def _values_of(element: Any) -> Values | None:
    if not isinstance(element, dict) or _depth(element) > MAX_DEPTH:
        return None
    names = list(element)
    values = [element[name] for name in names]
    texts = {
        column: values[place] if isinstance(values[place], str) else None
        for column, place in _places(names).items()
    }
    is_text = all(text is None or not _SURROGATE.search(text) for text in texts.values())
    return texts if is_text else None


def _depth(element: Any) -> int:
    level, depth = [element], 0
    while level and depth <= MAX_DEPTH:
        inner = (value.values() if isinstance(value, dict) else value for value in level)
        level = [value for value in chain.from_iterable(inner) if isinstance(value, dict | list)]
        depth += 1
    return depth


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


_BLANK: Final = object()
# Numbers stay the text that was written.
_DECODER: Final = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_unique_pairs
)


def _parquet_rows(stream: BinaryIO) -> Iterator[Values | None]:
    frame = pl.read_parquet(io.BytesIO(stream.read()))
    places = _places(frame.columns)
    texts = frame.select(
        _as_text(frame.columns[place], frame.schema[frame.columns[place]]).alias(column)
        for column, place in places.items()
    )
    yield from texts.iter_rows(named=True)


def _as_text(name: str, column_type: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(column_type, pl.Datetime):
        zone = "Z" if column_type.time_zone else ""
        in_utc = column.dt.convert_time_zone("UTC") if zone else column
        return in_utc.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{zone}")
    return column.cast(pl.String, strict=False)
