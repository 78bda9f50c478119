"""JSON arrays and NDJSON to chunks of text; number literals stay as they were written.

Belongs here: records to rows. Most are read as whole columns, the others record by record.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, BinaryIO, Final

import numpy as np
import polars as pl

from cardops.contracts.reading.cells import Positions
from cardops.contracts.reading.json_elements import (
    BAD,
    MALFORMED,
    PARSED,
    Records,
    array_records,
    line_records,
)
from cardops.contracts.reading.json_objects import Cells, Objects, Pairs, checked_cells
from cardops.contracts.reading.json_values import (
    METHODS,
    Number,
    UnusableRecordError,
    cleaned,
    fields,
    flat_method,
    is_text,
    text_of,
)
from cardops.contracts.reading.source import Header, Layout, resolve
from cardops.rules.intake.files import RowReason

_FRAMINGS: Final = {
    PARSED: None,
    MALFORMED: str(RowReason.MALFORMED_ROW),
    BAD: str(RowReason.BAD_ENCODING),
}
# A chunk ends with the first block that brings it to either.
CHUNK_ROWS: Final = 50_000
CHUNK_BYTES: Final = 16 * 1024 * 1024
# Names that serve no column are reported; a file may have another one in every row.
MAX_UNKNOWN: Final = 1_000


class JsonRows:
    """The objects of a file, in chunks with the contract's columns as text."""

    def __init__(self, stream: BinaryIO, layout: Layout, *, is_lines: bool) -> None:
        self._stream = stream
        self._is_lines = is_lines
        self._layout = layout
        # Each object says by itself what it means, so that one never changes what another says.
        self._header = lru_cache(maxsize=1024)(self._resolved)
        self.unknown: dict[str, None] = {}

    def chunks(self) -> Iterator[pl.DataFrame]:
        """Frames of `row_number`, `raw`, `framing` and the contract's columns."""
        row_number = 1
        for frames in self._together():
            frame = pl.concat(frames)
            numbers = pl.int_range(pl.len(), dtype=pl.Int64) + row_number
            row_number += frame.height
            yield frame.select(numbers.alias("row_number"), pl.exclude("index"))

    def _together(self) -> Iterator[list[pl.DataFrame]]:
        """Frames of small blocks, so many that a chunk has some rows or bytes; at least one."""
        frames, rows, size = [self._exact_frame([])], 0, 0
        for records in self._records():
            frames.append(self._frame(records))
            rows, size = rows + len(records.starts), size + len(records.original)
            if rows >= CHUNK_ROWS or size >= CHUNK_BYTES:
                yield frames
                frames, rows, size = [], 0, 0
        if frames:
            yield frames

    def _records(self) -> Iterator[Records]:
        return line_records(self._stream) if self._is_lines else array_records(self._stream)

    def _resolved(self, names: tuple[str, ...]) -> Header:
        header = resolve(names, self._layout)
        for name in header.unknown[: MAX_UNKNOWN - len(self.unknown)]:
            self.unknown[cleaned(name)] = None
        return header

    def _frame(self, records: Records) -> pl.DataFrame:
        parsed, objects = _parsed(records)
        is_exact = np.ones(len(records.starts), dtype=np.bool_)
        frames = []
        for pairs in objects.alike():
            for shape in _shapes(records, pairs, objects.quote_counts):
                places = self._header(shape.names).places
                if all(len(found) == 1 for found in places.values()):
                    rows = parsed[pairs.rows[shape.rows]]
                    is_exact[rows] = False
                    frames.append(self._fast_frame(records, rows, shape, places))
        exact = np.flatnonzero(is_exact).tolist()
        if exact or not frames:
            frames.append(self._exact_frame([self._exact_row(records, at) for at in exact]))
        return frames[0] if len(frames) == 1 else pl.concat(frames).sort("index")

    def _fast_frame(
        self,
        records: Records,
        rows: Positions,
        shape: "_Shape",
        places: dict[str, tuple[int, ...]],
    ) -> pl.DataFrame:
        nothing = pl.repeat(None, len(rows), dtype=pl.String, eager=True)
        columns = {
            column: shape.columns[places[column][0]](self._decimal(column))
            if column in places
            else nothing
            for column in self._layout.columns
        }
        raw = records.content.texts(records.starts[rows], records.ends[rows])
        index = pl.Series(rows, dtype=pl.Int64)
        return pl.DataFrame({"index": index, "raw": raw, "framing": nothing, **columns})

    def _exact_row(self, records: Records, index: int) -> tuple[int | str | None, ...]:
        nothing = (None,) * len(self._layout.columns)
        raw = records.text(index)
        framing = int(records.framing[index])
        if framing == PARSED:
            try:
                values = self._values(fields(raw))
            except (ValueError, RecursionError):
                framing = MALFORMED
            else:
                if all(value is None or is_text(value) for value in values):
                    return (index, raw, None, *values)
                framing = BAD
        return (index, cleaned(raw), _FRAMINGS[framing], *nothing)

    def _values(self, element: dict[str, Any]) -> list[str | None]:
        header = self._header(tuple(element))
        if header.repeated:
            raise UnusableRecordError(f"{header.repeated[0]} stands there twice")
        values = list(element.values())
        return [
            self._value(column, [values[place] for place in header.places.get(column, ())])
            for column in self._layout.columns
        ]

    def _value(self, column: str, values: Sequence[Any]) -> str | None:
        """The value; where there are several they must agree."""
        texts = [self._text(column, value) for value in values]
        if len(texts) < 2:  # noqa: PLR2004 - the usual case
            return texts[0] if texts else None
        found = {text.strip(" \t") for text in texts if text is not None} - {""}
        if len(found) > 1:
            raise UnusableRecordError(f"{column} stands there twice")
        return found.pop() if found else None

    def _text(self, column: str, value: Any) -> str | None:
        text = text_of(value)
        if text is None or not isinstance(value, Number):
            return text
        return text.replace(".", self._decimal(column))

    def _decimal(self, column: str) -> str:
        """Numbers are written with the decimal sign of text, so that text means one thing only."""
        return self._layout.number_decimal if column in self._layout.amounts else "."

    def _exact_frame(self, rows: Sequence[tuple[int | str | None, ...]]) -> pl.DataFrame:
        names = ("raw", "framing", *self._layout.columns)
        schema = {"index": pl.Int64(), **dict.fromkeys(names, pl.String())}
        return pl.DataFrame(rows, schema=schema, orient="row")


@dataclass(frozen=True)
class _Shape:
    """Records with the same names once a nested payment method is flat. `rows`: which of the pairs'.

    `columns`: name by name, what makes its column, given the decimal sign of numbers.
    """

    rows: Positions
    names: tuple[str, ...]
    columns: Sequence[Callable[[str], pl.Series]]


def _parsed(records: Records) -> tuple[Positions, Objects]:
    parsed = np.flatnonzero(records.framing == PARSED)
    return parsed, Objects(records.content, records.starts[parsed], records.ends[parsed])


def _shapes(records: Records, pairs: Pairs, quote_counts: Positions) -> Iterator[_Shape]:
    cells, is_valid = checked_cells(records.content, pairs, quote_counts)
    methods = [at for at, name in enumerate(pairs.names) if name in METHODS]
    if len(methods) > 1:
        return
    if methods:
        nested = cells[methods[0]].nested
        flat = [row for row, value in nested.items() if isinstance(value, dict) and is_valid[row]]
        if flat:
            is_valid[flat] = False
            yield _with_flat_method(pairs.names, cells, methods[0], np.array(flat))
    if is_valid.any():
        rows = np.flatnonzero(is_valid)
        yield _Shape(rows, pairs.names, [_column(cell, rows) for cell in cells])


def _with_flat_method(
    names: Sequence[str], cells: Sequence[Cells], method: int, rows: Positions
) -> _Shape:
    columns = {name: _column(cell, rows) for name, cell in zip(names, cells, strict=True)}
    del columns[names[method]]
    flat = [flat_method(cells[method].nested[row], columns) for row in rows.tolist()]
    for name in flat[0]:
        texts = pl.Series([text_of(values[name]) for values in flat], dtype=pl.String)
        columns[name] = partial(_always, texts)
    return _Shape(rows, tuple(columns), list(columns.values()))


def _always(texts: pl.Series, _decimal: str) -> pl.Series:
    return texts


def _column(cells: Cells, rows: Positions) -> Callable[[str], pl.Series]:
    return lambda decimal: cells.texts(rows, decimal)
