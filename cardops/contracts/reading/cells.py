"""A block of CSV lines to columns, without copying its text: where lines and fields begin and end.

Belongs here: the fast path. It reads lines without a quote, and lines whose quotes stand at the ends
of whole fields; every other line with a quote is left to cardops.contracts.reading.records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Positions = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]
Kinds = npt.NDArray[np.uint8]

_LF, _QUOTE, _SPACE, _TAB = b"\n", b'"', b" ", b"\t"
# Arrow stores texts up to this length inside the view, longer ones by their place in a buffer.
_INLINE_BYTES: Final = 12
_PADDING: Final = b"\0" * 16
_WORD_BYTES: Final = 8
# Masks of the first 0 to 8 bytes of a little-endian word.
_FIRST_BYTES: Final = np.array([(1 << 8 * size) - 1 for size in range(9)], dtype=np.uint64)
_HALF: Final = np.uint64(32)


def byte_classes(classes: Mapping[bytes, int]) -> bytes:
    """A table for `classified`: each byte's class, 0 unless it is one of these."""
    found = bytearray(256)
    for signs, number in classes.items():
        for sign in signs:
            found[sign] = number
    return bytes(found)


def classified(content: bytes, table: bytes) -> tuple[Positions, Kinds]:
    """Where the bytes of a class stand, and of which."""
    classes = np.frombuffer(content.translate(table), dtype=np.uint8)
    at = np.flatnonzero(classes != 0)
    return at, classes[at]


@dataclass(frozen=True)
class Content:
    """UTF-8 whose parts become columns of text."""

    content: bytes

    @cached_property
    def octets(self) -> npt.NDArray[np.uint8]:
        """The content and a few bytes more."""
        # Words are read from any byte of the content, so some must follow it.
        return np.frombuffer(self.content + _PADDING, dtype=np.uint8)

    @cached_property
    def words(self) -> npt.NDArray[np.uint64]:
        """The eight bytes that begin at each byte of the content, as a number."""
        count = len(self.octets) - _WORD_BYTES + 1
        return np.ndarray((count,), "<u8", buffer=self.octets, strides=(1,))

    @cached_property
    def _positions(self) -> dict[bytes, Positions]:
        return {}

    def positions(self, sign: bytes) -> Positions:
        """Where the byte stands."""
        if sign not in self._positions:
            found = np.empty(0, dtype=np.int64)
            if sign in self.content:
                found = np.flatnonzero(self.octets[: len(self.content)] == ord(sign))
            self._positions[sign] = found
        return self._positions[sign]

    def texts(
        self, starts: Positions, ends: Positions, *, is_null: Marks | None = None
    ) -> pl.Series:
        """These parts of the content as text, which stays where it is."""
        views = np.empty((len(starts), 2), dtype=np.uint64)
        lengths = ends - starts
        # As Arrow wants them: the length in four bytes, the first four of the text, then the next
        # eight of a short one, or where a long one begins.
        first = self.words[starts] & _FIRST_BYTES[np.minimum(lengths, _WORD_BYTES)]
        views[:, 0] = lengths.astype(np.uint64) | (first << _HALF)
        is_short = lengths <= _INLINE_BYTES
        if not is_short.any():
            views[:, 1] = starts.astype(np.uint64) << _HALF
        else:
            views[:, 1] = self._rest_of_short(starts, lengths, first)
            long = np.flatnonzero(~is_short)
            views[long, 1] = starts[long].astype(np.uint64) << _HALF
        validity = (
            None if is_null is None else pa.py_buffer(np.packbits(~is_null, bitorder="little"))
        )
        buffers = [validity, pa.py_buffer(views), pa.py_buffer(self.octets)]
        array = pa.Array.from_buffers(pa.string_view(), len(starts), buffers)
        return pl.Series(values=array)

    def _rest_of_short(
        self, starts: Positions, lengths: Positions, first: npt.NDArray[np.uint64]
    ) -> npt.NDArray[np.uint64]:
        """Bytes 5 to 12 of texts of which the first eight are given; zeros where they have fewer."""
        rest = first >> _HALF
        beyond = lengths - _WORD_BYTES
        if (beyond > 0).any():
            # They end four bytes further on than the first eight.
            last = self.words[starts + _WORD_BYTES] & _FIRST_BYTES[np.clip(beyond, 0, 4)]
            rest |= last << _HALF
        return rest


class Lines(Content):
    """The lines of a block of UTF-8, without a last LF."""

    @cached_property
    def ends(self) -> Positions:
        """Where each line ends."""
        return np.append(self.positions(_LF), len(self.content))

    @cached_property
    def starts(self) -> Positions:
        """Where each line begins."""
        return np.concatenate([[0], self.ends[:-1] + 1])

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: Any) -> str:
        """The text of one line."""
        return self.content[self.starts[index] : self.ends[index]].decode()

    def text_of(self, first: int, after: int) -> str:
        """The text of these lines."""
        return self.content[self.starts[first] : self.ends[after - 1]].decode()

    def with_byte(self, sign: bytes) -> Marks:
        """Which lines contain the byte."""
        found = np.zeros(len(self), dtype=np.bool_)
        found[np.searchsorted(self.ends, self.positions(sign))] = True
        return found


class Fields:
    """The fields of each line, where the fast path can tell them."""

    def __init__(self, lines: Lines, width: int, delimiter: bytes = b",") -> None:
        self._lines = lines
        self._width = width
        self._delimiter = delimiter
        self._quotes = lines.positions(_QUOTE)
        self.has_quote: Marks = lines.with_byte(_QUOTE)
        self._delimiters = self._between_fields()
        self._first = np.searchsorted(self._delimiters, lines.starts)
        counts = np.diff(np.append(self._first, len(self._delimiters)))
        self.is_whole: Marks = counts == width - 1
        # Lines whose quotes need the exact reader.
        self.is_hard: Marks = self.has_quote & ~self._has_simple_quotes()
        self.may_be_blank: Marks = counts == 0

    def columns(self, rows: Positions, is_row: Marks, *, is_trimmed: bool) -> list[pl.Series]:
        """The fields of these lines, empty where the line is no row; rows are whole and not hard.

        `is_trimmed`: without spaces and tabs around, and null where nothing is left.
        """
        own = rows if is_row.all() else rows[is_row]
        blank = np.flatnonzero(self._has_blanks[own]) if is_trimmed else None
        quoted = np.flatnonzero(self.has_quote[own])
        cells = (self._within(cell, quoted, blank) for cell in self._cells(own))
        if len(own) < len(rows):
            cells = (_spread(cell, is_row) for cell in cells)
        return [self._column(cell, is_trimmed=is_trimmed) for cell in cells]

    def _within(
        self, cell: tuple[Positions, Positions], quoted: Positions, blank: Positions | None
    ) -> tuple[Positions, Positions]:
        """Without quotes and blanks around: which cells may have them; `blank`: None to leave them."""
        starts, ends = cell
        if quoted.size or (blank is not None and blank.size):
            starts, ends = starts.copy(), ends.copy()
        if quoted.size:
            first, last = starts[quoted], ends[quoted]
            is_quoted = (self._lines.octets[first] == ord(_QUOTE)) & (first < last)
            starts[quoted], ends[quoted] = first + is_quoted, last - is_quoted
        if blank is not None and blank.size:
            starts[blank], ends[blank] = self._trimmed(starts[blank], ends[blank])
        return starts, ends

    def _column(self, cell: tuple[Positions, Positions], *, is_trimmed: bool) -> pl.Series:
        starts, ends = cell
        is_null = starts == ends if is_trimmed else None
        has_nulls = is_null is not None and bool(is_null.any())
        return self._lines.texts(starts, ends, is_null=is_null if has_nulls else None)

    @cached_property
    def _has_blanks(self) -> Marks:
        return self._lines.with_byte(_SPACE) | self._lines.with_byte(_TAB)

    def _between_fields(self) -> Positions:
        """Delimiters that are not inside quotes."""
        delimiters = self._lines.positions(self._delimiter)
        lines = np.flatnonzero(self.has_quote)
        if not lines.size:
            return delimiters
        starts = self._lines.starts[lines]
        first = np.searchsorted(delimiters, starts)
        sizes = np.searchsorted(delimiters, self._lines.ends[lines]) - first
        # The places of these lines' delimiters among all.
        places = np.arange(sizes.sum()) + np.repeat(first - np.cumsum(sizes) + sizes, sizes)
        before_line = np.repeat(np.searchsorted(self._quotes, starts), sizes)
        is_inside = (np.searchsorted(self._quotes, delimiters[places]) - before_line) % 2 == 1
        return np.delete(delimiters, places[is_inside])

    def _cells(self, rows: Positions) -> list[tuple[Positions, Positions]]:
        """Where each field of these lines begins and ends, field by field."""
        first, starts = self._first[rows], self._lines.starts[rows]
        cells = []
        for at in range(self._width - 1):
            delimiter = self._delimiters[first + at] if rows.size else first
            cells.append((starts, delimiter))
            starts = delimiter + 1
        return [*cells, (starts, self._lines.ends[rows])]

    def _has_simple_quotes(self) -> Marks:
        """Whole lines in which every field has no quote, or one at its beginning and its end."""
        simple = np.zeros(len(self._lines), dtype=np.bool_)
        rows = np.flatnonzero(self.has_quote & self.is_whole)
        simple[rows] = True
        for starts, ends in self._cells(rows) if rows.size else []:
            counts = np.searchsorted(self._quotes, ends) - np.searchsorted(self._quotes, starts)
            first, last = self._lines.octets[starts], self._lines.octets[ends - 1]
            is_around = (counts == 2) & (first == ord(_QUOTE)) & (last == ord(_QUOTE))  # noqa: PLR2004 - one at each end
            simple[rows] &= (counts == 0) | is_around
        return simple

    def _trimmed(self, starts: Positions, ends: Positions) -> tuple[Positions, Positions]:
        content = self._lines.octets
        while (blank := (starts < ends) & _is_blank(content[starts])).any():
            starts = starts + blank
        while (blank := (starts < ends) & _is_blank(content[ends - 1])).any():
            ends = ends - blank
        return starts, ends


def _spread(cell: tuple[Positions, Positions], is_row: Marks) -> tuple[Positions, Positions]:
    """The cells where the rows are, empty ones elsewhere."""
    starts, ends = (np.zeros(len(is_row), dtype=np.int64) for _ in cell)
    starts[is_row], ends[is_row] = cell
    return starts, ends


def _is_blank(values: npt.NDArray[np.uint8]) -> Marks:
    blank: Marks = (values == ord(_SPACE)) | (values == ord(_TAB))
    return blank
