"""JSON objects to pairs of names and values, without copying their text: where each begins and ends.

Belongs here: the fast path. It reads records that are one object without escapes and control characters
in its strings, for all records with the same names in the same order at once. Every other record is left
to cardops.contracts.reading.json_values.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cardops.contracts.reading.cells import (
    Content,
    Kinds,
    Marks,
    Positions,
    byte_classes,
    classified,
)
from cardops.contracts.reading.json_values import nested_value, text_of

# Orders of names that are looked for in a block; records in another order go the exact way.
MAX_SHAPES: Final = 32

_QUOTE, _OPEN, _CLOSE, _COLON, _COMMA, _LINE_END, _UNUSUAL = range(1, 8)
QUOTE: Final = ord('"')
_WORD_BYTES: Final = 8
# How much deeper each sign leads.
_STEPS: Final = np.zeros(8, dtype=np.int8)
_STEPS[[_OPEN, _CLOSE]] = 1, -1
_NO_QUOTE: Final = np.zeros(1, dtype=np.int32)
_SCALAR: Final = r"^(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)$"


_CLASSES: Final = byte_classes(
    {
        bytes(range(32)): _UNUSUAL, b"\\": _UNUSUAL, b"\t\n\r": _LINE_END, b'"': _QUOTE,
        b"{[": _OPEN, b"}]": _CLOSE, b":": _COLON, b",": _COMMA,
    }
)  # fmt: skip
_IS_BLANK: Final = np.isin(np.arange(256), list(b" \t\n\r"))


@dataclass(frozen=True)
class Pairs:
    """Records with the same names in the same order: where each name's values stand, blanks included."""

    rows: Positions
    names: tuple[str, ...]
    starts: Positions
    ends: Positions


class Objects:
    """The records between these bytes. `quote_counts`: how many quotes each has."""

    def __init__(self, content: Content, starts: Positions, ends: Positions) -> None:
        self._content = content
        self._starts, self._ends = starts, ends
        self._is_simple = np.ones(len(starts), dtype=np.bool_)
        at, kind = classified(content.content, _CLASSES)
        is_structure = self._outside_strings(at, kind)
        self._separators, self._kinds = self._between_pairs(at[is_structure], kind[is_structure])
        self._first = np.searchsorted(self._separators, starts)
        counts = np.searchsorted(self._separators, ends) - self._first
        self._counts = np.where(self._is_simple, counts, 0)

    def alike(self) -> Iterator[Pairs]:
        """Records by their names; those that are in none go the exact way."""
        shapes = 0
        found, sizes = np.unique(self._counts, return_counts=True)
        for count in found[np.argsort(-sizes)].tolist():
            # A colon for each name, and a comma after each but the last.
            rows = np.flatnonzero(self._counts == count) if count % 2 else self._starts[:0]
            while rows.size and shapes < MAX_SHAPES:
                shapes += 1
                pairs, rows = self._like_first(rows, count)
                if pairs is not None:
                    yield pairs

    def _outside_strings(self, at: Positions, kind: Kinds) -> Marks:
        """Brackets, colons and commas that are no text; records with unusual bytes are refused."""
        is_quote = kind == _QUOTE
        quotes = np.cumsum(is_quote, dtype=np.int32)
        first, last = np.searchsorted(at, self._starts), np.searchsorted(at, self._ends)
        before = np.concatenate([_NO_QUOTE, quotes])
        self.quote_counts = before[last] - before[first]
        self._is_simple &= self.quote_counts % 2 == 0
        is_inside = quotes % 2 == 1
        is_odd = before[first] % 2 == 1
        if is_odd.any():
            # Strings that were left open in records before: each record begins outside of any.
            sizes = last - first
            flipped = np.repeat(is_odd, sizes)
            places = np.arange(len(flipped)) + np.repeat(first - np.cumsum(sizes) + sizes, sizes)
            is_inside[places] ^= flipped
        is_unusual = (kind == _UNUSUAL) | (is_inside & (kind == _LINE_END))
        self._refuse_records_of(at[is_unusual])
        is_structure: Marks = ~is_inside & (kind >= _OPEN) & (kind <= _COMMA)
        return is_structure

    def _refuse_records_of(self, at: Positions) -> None:
        if not len(self._ends):
            return
        records = np.minimum(np.searchsorted(self._ends, at, side="right"), len(self._ends) - 1)
        is_in_record = at >= self._starts[records]
        self._is_simple[records[is_in_record]] = False

    def _between_pairs(self, at: Positions, kind: Kinds) -> tuple[Positions, Kinds]:
        """Colons and commas of the object itself; records that are no single object are refused."""
        depth = np.cumsum(_STEPS[kind], dtype=np.int32)
        first = np.searchsorted(at, self._starts)
        before = np.concatenate([_NO_QUOTE, depth])[first]
        if before.any():
            # Brackets that were left open in records before: each record begins outside of any.
            last = np.searchsorted(at, self._ends)
            sizes = last - first
            places = np.arange(sizes.sum()) + np.repeat(first - np.cumsum(sizes) + sizes, sizes)
            depth[places] -= np.repeat(before, sizes)
        octets = self._content.octets
        ends = at[depth <= 0]
        end = np.searchsorted(ends, self._starts)
        is_one = np.searchsorted(ends, self._ends) - end == 1
        self._is_simple &= is_one & (octets[self._starts] == ord("{"))
        self._is_simple &= octets[self._ends - 1] == ord("}")
        self._is_simple[is_one] &= ends[end[is_one]] == self._ends[is_one] - 1
        is_separator = (depth == 1) & (kind >= _COLON)
        return at[is_separator], kind[is_separator]

    def _like_first(self, rows: Positions, count: int) -> tuple[Pairs | None, Positions]:
        """The rows with the first one's names, and the others."""
        places = self._first[rows][:, None] + np.arange(count)
        separators = self._separators[places]
        colons, commas = separators[:, 0::2], separators[:, 1::2]
        begins = np.column_stack([self._starts[rows], commas]) + 1
        turns = np.where(np.arange(count) % 2, _COMMA, _COLON)
        is_alike = (self._kinds[places] == turns).all(axis=1)
        names = []
        for pair in range(colons.shape[1]):
            name = self._content.content[begins[0, pair] : colons[0, pair]]
            names.append(name)
            is_alike &= colons[:, pair] - begins[:, pair] == len(name)
            is_alike &= self._equals(begins[:, pair], name)
        others = rows[~is_alike]
        texts = _names(names)
        if texts is None or not is_alike[0]:
            return None, others[others != rows[0]]
        ends = np.column_stack([commas, self._ends[rows] - 1])
        return Pairs(rows[is_alike], texts, colons[is_alike] + 1, ends[is_alike]), others

    def _equals(self, starts: Positions, text: bytes) -> Marks:
        """Where the text stands there; whatever its length is."""
        words = self._content.words
        equal = np.ones(len(starts), dtype=np.bool_)
        for at in range(0, len(text), _WORD_BYTES):
            part = text[at : at + _WORD_BYTES]
            mask = np.uint64((1 << 8 * len(part)) - 1)
            # Past the end of the content stands a shorter name.
            found = words[np.minimum(starts + at, len(words) - 1)]
            equal &= found & mask == np.uint64(int.from_bytes(part, "little"))
        return equal


def _names(parts: list[bytes]) -> tuple[str, ...] | None:
    """The names, or None where one is none or stands there twice."""
    try:
        names = tuple(json.loads(part) for part in parts)
    except (ValueError, RecursionError):
        return None
    are_texts = all(isinstance(name, str) for name in names)
    return names if are_texts and len(set(names)) == len(names) else None


@dataclass(frozen=True)
class Cells:
    """The values under one name. `nested`: objects and lists, by index of the row."""

    content: Content
    starts: Positions
    ends: Positions
    is_quoted: Marks
    nested: Mapping[int, Any]

    def texts(self, rows: Positions, decimal: str) -> pl.Series:
        """These values as text, null where there is none; numbers with that decimal sign."""
        is_quoted = self.is_quoted[rows]
        starts, ends = self.starts[rows] + is_quoted, self.ends[rows] - is_quoted
        is_null = ~is_quoted & (self.content.octets[starts] == ord("n"))
        texts = self.content.texts(starts, ends, is_null=is_null if is_null.any() else None)
        if decimal != "." and not is_quoted.all():
            numbers = texts.str.replace(".", decimal, literal=True)
            texts = numbers.zip_with(pl.Series(~is_quoted), texts)
        if self.nested:
            found = [self.nested.get(row) for row in rows.tolist()]
            is_nested = pl.Series([value is not None for value in found], dtype=pl.Boolean)
            texts = pl.Series(map(text_of, found), dtype=pl.String).zip_with(is_nested, texts)
        return texts


def checked_cells(
    content: Content, pairs: Pairs, quote_counts: Positions
) -> tuple[list[Cells], Marks]:
    """The values name by name, and which of the rows are surely valid JSON.

    `quote_counts`: of each record. A text with a quote inside is none.
    """
    is_valid = np.ones(len(pairs.rows), dtype=np.bool_)
    quotes = np.full(len(pairs.rows), 2 * len(pairs.names))
    found = []
    for place in range(len(pairs.names)):
        starts, ends = _trimmed(content, pairs.starts[:, place], pairs.ends[:, place])
        first = content.octets[starts]
        is_quoted = first == QUOTE
        is_valid &= np.where(
            is_quoted, (content.octets[ends - 1] == QUOTE) & (ends - starts > 1), starts < ends
        )
        quotes += 2 * is_quoted
        nested = _nested(content, starts, ends, first, is_valid)
        for row in nested:
            quotes[row] += content.content.count(b'"', starts[row], ends[row])
        others = ~is_quoted & is_valid
        others[list(nested)] = False
        rows = np.flatnonzero(others)
        if rows.size:
            is_scalar = content.texts(starts[rows], ends[rows]).str.contains(_SCALAR)
            is_valid[rows] &= is_scalar.to_numpy()
        found.append(Cells(content, starts, ends, is_quoted, nested))
    return found, is_valid & (quotes == quote_counts[pairs.rows])


def _trimmed(content: Content, starts: Positions, ends: Positions) -> tuple[Positions, Positions]:
    while (blank := _IS_BLANK[content.octets[starts]] & (starts < ends)).any():
        starts = starts + blank
    while (blank := _IS_BLANK[content.octets[ends - 1]] & (starts < ends)).any():
        ends = ends - blank
    return starts, ends


def _nested(
    content: Content,
    starts: Positions,
    ends: Positions,
    first: npt.NDArray[np.uint8],
    is_valid: Marks,
) -> dict[int, Any]:
    """Objects and lists, by index; those that cannot be read make their rows not valid."""
    found = {}
    is_nested = (first == ord("{")) | (first == ord("["))
    for row in np.flatnonzero(is_nested & is_valid).tolist():
        try:
            found[row] = nested_value(content.content[starts[row] : ends[row]].decode())
        except (ValueError, RecursionError):
            is_valid[row] = False
    return found
