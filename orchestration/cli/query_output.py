"""The rows of a query as a table, JSON, CSV or Parquet.

Belongs here: how each kind of value is written. Integers, and so amounts in minor units, stay exact;
so do decimals, which JSON has as text with all their digits.
"""

import csv
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from orchestration.cli.output import CommandError

Row = tuple[Any, ...]


def json_value(value: Any) -> Any:
    """The value for JSON: dates and times in ISO 8601, decimals as text, whole ones as integers."""
    match value:
        case Decimal():
            return int(value) if value.as_tuple().exponent == 0 else format(value, "f")
        case list() | tuple():
            return [json_value(element) for element in value]
        case dict():
            return {text_value(key): json_value(element) for key, element in value.items()}
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            return _text_of(value)


def _text_of(value: Any) -> str:
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return str(value)


def text_value(value: Any) -> str:
    """The value for a table or CSV: as in JSON, but a text without its quotes and nothing for null."""
    if value is None:
        return ""
    plain = json_value(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def as_objects(columns: Sequence[str], rows: Iterable[Row]) -> list[dict[str, Any]]:
    """One object a row. Raises CommandError where two columns have one name."""
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise CommandError(
            f"Two columns are called {', '.join(repeated)}, and an object has room for one; give "
            "them names with `as`."
        )
    return [dict(zip(columns, map(json_value, row), strict=True)) for row in rows]


def as_table(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Columns under their names, as wide as their widest value."""
    # Line ends and tabs in a value would break the table.
    lines = [columns, *([" ".join(text_value(value).split()) for value in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    ruled = [lines[0], ["-" * width for width in widths], *islice(lines, 1, None)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in ruled
    )


def write_csv(target: TextIO, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """RFC 4180 with LF; nothing between two commas is null."""
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([text_value(value) for value in row] for row in rows)


@contextmanager
def replaced_whole(path: Path) -> Iterator[Path]:
    """A file to write; it becomes `path` where the block ends well, and is deleted otherwise."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
