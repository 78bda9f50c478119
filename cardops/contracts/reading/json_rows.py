"""JSON arrays and NDJSON to chunks of text; number literals stay as they were written.

Belongs here: where an element begins and ends, and turning its values into text. A broken element
costs one row.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, BinaryIO, Final, TypeGuard

import polars as pl

from cardops.contracts.reading.lines import blocks
from cardops.contracts.reading.source import Header, Layout, resolve
from cardops.rules.intake.files import RowReason

CHUNK_ROWS: Final = 50_000
BLOCK_BYTES: Final = 1024 * 1024
# A longer element is one malformed row; the array continues after it.
MAX_ELEMENT_CHARACTERS: Final = 1024 * 1024

_BETWEEN: Final = re.compile(r"[\s,\ufeff]*+")
_MARK: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|["{}\[\],]', re.DOTALL)
_BAD_BYTE: Final = re.compile(r"[\udc80-\udcff\0]")
_SCANNER: Final = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
# A row nests a payment method or a list of items, which takes two levels.
MAX_DEPTH: Final = 32
_SURROGATE: Final = re.compile(r"[\ud800-\udfff\0]")


class RepeatedKeyError(ValueError):
    """An object has one key twice, so its value is ambiguous."""


class _Number(str):
    """A number's literal, told apart from text."""

    __slots__ = ()


class JsonRows:
    """The objects of a file, in chunks with the contract's columns as text."""

    def __init__(self, stream: BinaryIO, layout: Layout, *, is_lines: bool) -> None:
        self._stream = stream
        self._is_lines = is_lines
        self._layout = layout
        # Numbers are written with the decimal sign of text, so that text means one thing only.
        is_other = layout.number_decimal != "."
        self._decoder = _decoder(_Number) if is_other else _DECODER
        self.unknown: dict[str, None] = {}
        self._header = lru_cache(maxsize=1024)(self._resolve)

    def chunks(self) -> Iterator[pl.DataFrame]:
        """Frames of `row_number`, `raw`, `framing` and the contract's columns."""
        rows: list[tuple[str | None, ...]] = []
        for row_number, (raw, is_bad) in enumerate(self._records(), start=1):
            rows.append((str(row_number), *self._row(raw, is_bad=is_bad)))
            if len(rows) == CHUNK_ROWS:
                yield self._frame(rows)
                rows = []
        yield self._frame(rows)

    def _records(self) -> Iterator[tuple[str, bool]]:
        return _lines(self._stream) if self._is_lines else array_elements(self._stream)

    def _row(self, raw: str, *, is_bad: bool) -> tuple[str | None, ...]:
        nothing = (None,) * len(self._layout.columns)
        if is_bad:
            return (_cleaned(raw), str(RowReason.BAD_ENCODING), *nothing)
        try:
            element = self._decoder.decode(raw)
            _check_depth(element)
            values = self._values(element)
        except (ValueError, RecursionError):
            return (_cleaned(raw), str(RowReason.MALFORMED_ROW), *nothing)
        if any(value is not None and _SURROGATE.search(value) for value in values):
            return (_cleaned(raw), str(RowReason.BAD_ENCODING), *nothing)
        return (raw, None, *values)

    def _values(self, element: Any) -> list[str | None]:
        if not isinstance(element, dict):
            raise NotAnObjectError("not an object")
        flat = _flattened(element)
        header = self._header(tuple(flat))
        if header.repeated:
            raise RepeatedKeyError(", ".join(header.repeated))
        texts = list(flat.values())
        positions = header.positions
        return [
            self._cell(column, texts[positions[column]]) if column in positions else None
            for column in self._layout.columns
        ]

    def _cell(self, column: str, value: Any) -> str | None:
        text = _text(value)
        if text is not None and isinstance(value, _Number):
            is_amount = column in self._layout.amounts
            return text.replace(".", self._layout.number_decimal) if is_amount else str(text)
        return text

    def _resolve(self, names: tuple[str, ...]) -> Header:
        header = resolve(names, self._layout)
        self.unknown |= dict.fromkeys(_cleaned(name) for name in header.unknown)
        return header

    def _frame(self, rows: Sequence[tuple[str | None, ...]]) -> pl.DataFrame:
        names = ("row_number", "raw", "framing", *self._layout.columns)
        schema = dict.fromkeys(names, pl.String())
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        return frame.with_columns(pl.col("row_number").cast(pl.Int64))


class NotAnObjectError(ValueError):
    """A JSON value that is not an object."""


def _lines(stream: BinaryIO) -> Iterator[tuple[str, bool]]:
    for block in blocks(stream):
        for index, line in enumerate(block.text.split("\n")):
            if line.strip():
                yield line, index in block.bad_lines or "\0" in line


def _flattened(element: dict[str, Any]) -> dict[str, Any]:
    """The object with a nested `payment_method: {type, provider}` as two values."""
    for name in ("payment_method", "paymentMethod"):
        nested = element.get(name)
        if isinstance(nested, dict):
            rest = {key: value for key, value in element.items() if key != name}
            provider = {} if "provider" in rest else {"provider": nested.get("provider")}
            return {**rest, "payment_method": nested.get("type"), **provider}
    return element


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _check_depth(element: object) -> None:
    """Python versions differ in how deep they decode; the limit of a row does not."""
    level = [element]
    for _ in range(MAX_DEPTH):
        below = [
            value.values() if isinstance(value, dict) else value
            for value in level
            if _is_nested(value)
        ]
        level = [value for values in below for value in values]
        if not level:
            return
    raise RecursionError(f"nested deeper than {MAX_DEPTH} levels")


def _is_nested(value: object) -> TypeGuard[dict[str, object] | list[object]]:
    return isinstance(value, dict | list)


def _cleaned(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RepeatedKeyError("repeated key")
    return found


def _decoder(number: Callable[[str], str]) -> json.JSONDecoder:
    return json.JSONDecoder(
        parse_float=number, parse_int=number, parse_constant=number, object_pairs_hook=_object
    )


_DECODER: Final = _decoder(str)


def array_elements(stream: BinaryIO) -> Iterator[tuple[str, bool]]:
    """Each element's text, and whether it holds bytes that are not text; in bounded memory.

    The stream begins with `[`, or with the first of objects that follow each other. What follows
    the array's end is read as well: elements of another array, or malformed ones. An array that is
    cut short yields its whole elements and one more, the broken rest.
    """
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    buffer, is_last, is_begun, is_array, may_hold_arrays = "", False, False, False, False
    while not is_last:
        content = stream.read(BLOCK_BYTES)
        is_last = not content
        buffer += decode(content, final=is_last)
        if not is_begun:
            buffer = buffer.lstrip("\ufeff \t\r\n")
            is_begun, is_array = bool(content), buffer.startswith("[")
            may_hold_arrays = is_array
            buffer = buffer.removeprefix("[")
        position, is_rest = 0, False
        while not is_rest:
            found = _BETWEEN.match(buffer, position)
            position = found.end() if found else position
            sign = buffer[position : position + 1]
            if sign == ("]" if is_array else "[") and may_hold_arrays:
                is_array, position = not is_array, position + 1
                continue
            end = _end(buffer, position, is_last=is_last)
            if end is None:
                break
            if end == position and is_array:
                yield "", False  # cut short between two elements
            if end == position:
                return
            is_rest = end > len(buffer)
            yield _element(buffer[position:end].rstrip())
            position = end
        buffer = buffer[position:]


def _element(text: str) -> tuple[str, bool]:
    return text, bool(_BAD_BYTE.search(text))


def _end(buffer: str, position: int, *, is_last: bool) -> int | None:
    """Where the element ends; the same position at the file's end; None to read on."""
    if position >= len(buffer):
        return position if is_last else None
    if buffer[position] in "]}":
        return position + 1  # closes nothing: a malformed element
    try:
        _, whole_end = _SCANNER.raw_decode(buffer, position)
    except (ValueError, RecursionError):
        return _end_of_unreadable(buffer, position, is_last=is_last)
    return whole_end if whole_end < len(buffer) or is_last else None


def _end_of_unreadable(buffer: str, position: int, *, is_last: bool) -> int | None:
    end = _end_of_broken(buffer, position)
    if end is not None:
        return end
    # Past the buffer: the rest of the file is one element that never ended.
    is_too_long = len(buffer) - position > MAX_ELEMENT_CHARACTERS
    return len(buffer) + 1 if is_last or is_too_long else None


def _end_of_broken(buffer: str, position: int) -> int | None:
    """By brackets and strings alone: the next comma or end at the array's own depth."""
    depth = 0
    for mark in _MARK.finditer(buffer, position):
        sign = mark[0]
        if sign == '"':
            return None  # a string that does not end here: what looks like a bracket is its text
        if sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
            if depth == 0:
                return mark.end()
            if depth < 0:
                return mark.start()
        elif sign == "," and depth == 0:
            return mark.start()
    return None
