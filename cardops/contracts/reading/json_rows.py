"""JSON arrays and NDJSON to chunks of text; number literals stay as they were written.

Belongs here: framing of elements and turning values into text. A broken element costs one row.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, BinaryIO, Final, TypeGuard

import polars as pl

from cardops.contracts.kinds.contract import Contract
from cardops.contracts.reading.elements import elements
from cardops.contracts.reading.headers import Header, resolve
from cardops.contracts.reading.lines import blocks
from cardops.rules.intake.files import RowReason

CHUNK_ROWS: Final = 50_000
# A row nests a payment method or a list of items; two levels would do.
MAX_DEPTH: Final = 32
_SURROGATE: Final = re.compile(r"[\ud800-\udfff\0]")


class RepeatedKeyError(ValueError):
    """An object names one key twice; which value was meant is anybody's guess."""


class JsonRows:
    """The objects of a file, in chunks with the contract's columns as text."""

    def __init__(self, stream: BinaryIO, contract: Contract, *, is_lines: bool) -> None:
        self._stream = stream
        self._is_lines = is_lines
        self._contract = contract
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
        return _lines(self._stream) if self._is_lines else elements(self._stream)

    def _row(self, raw: str, *, is_bad: bool) -> tuple[str | None, ...]:
        nothing = (None,) * len(self._contract.columns)
        if is_bad:
            return (_cleaned(raw), str(RowReason.BAD_ENCODING), *nothing)
        try:
            element = _DECODER.decode(raw)
            _check_depth(element)
            values = self._values(element)
        except (ValueError, RecursionError):
            return (_cleaned(raw), str(RowReason.MALFORMED_ROW), *nothing)
        if any(value is not None and _SURROGATE.search(value) for value in values):
            return (_cleaned(raw), str(RowReason.BAD_ENCODING), *nothing)
        return (raw, None, *values)

    def _values(self, element: Any) -> list[str | None]:
        if not isinstance(element, dict):
            raise NotAnObjectError("an element that is no object")
        flat = _flattened(element)
        header = self._header(tuple(flat))
        if header.doubled:
            raise RepeatedKeyError(", ".join(header.doubled))
        texts = list(flat.values())
        places = header.places
        return [
            _text(texts[places[column]]) if column in places else None
            for column in self._contract.columns
        ]

    def _resolve(self, names: tuple[str, ...]) -> Header:
        header = resolve(names, self._contract)
        self.unknown |= dict.fromkeys(_cleaned(name) for name in header.unknown)
        return header

    def _frame(self, rows: Sequence[tuple[str | None, ...]]) -> pl.DataFrame:
        names = ("row_number", "raw", "framing", *self._contract.columns)
        schema = dict.fromkeys(names, pl.String())
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        return frame.with_columns(pl.col("row_number").cast(pl.Int64))


class NotAnObjectError(ValueError):
    """A JSON value that is not what a row must be."""


def _lines(stream: BinaryIO) -> Iterator[tuple[str, bool]]:
    for block in blocks(stream):
        for place, line in enumerate(block.text.split("\n")):
            if line.strip():
                yield line, place in block.bad_lines or "\0" in line


def _flattened(element: dict[str, Any]) -> dict[str, Any]:
    """A nested `payment_method: {type, provider}` as two values."""
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
    """How deep an interpreter reads differs by its version; what a row may be does not."""
    level = [element]
    for _ in range(MAX_DEPTH):
        below = [one.values() if isinstance(one, dict) else one for one in level if _is_nest(one)]
        level = [one for inside in below for one in inside]
        if not level:
            return
    raise RecursionError(f"nested deeper than {MAX_DEPTH} levels")


def _is_nest(value: object) -> TypeGuard[dict[str, object] | list[object]]:
    return isinstance(value, dict | list)


def _cleaned(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RepeatedKeyError("a key stands twice")
    return found


_DECODER: Final = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_object
)
