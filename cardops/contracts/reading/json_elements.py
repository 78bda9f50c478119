"""Where the records of a JSON file begin and end: lines of NDJSON, or the elements of an array.

Belongs here: framing. Most elements are found by their brackets, for a whole block at once; what is
around a broken one is read element by element. A broken element costs one row.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from cardops.contracts.reading.cells import (
    Content,
    Kinds,
    Lines,
    Marks,
    Positions,
    byte_classes,
    classified,
)
from cardops.contracts.reading.lines import MAX_LINE_BYTES, blocks

# Small, so that what is known of each byte stays in the processor's cache.
BLOCK_BYTES: Final = 512 * 1024
# A longer element is one malformed row, of which the beginning is kept.
MAX_ELEMENT_BYTES: Final = MAX_LINE_BYTES
_KEPT_BYTES_OF_LONG_ELEMENT: Final = 1024
# Where an element still has no end after so many bytes, what follows is read as another one.
MAX_UNENDED_BYTES: Final = 16 * 1024 * 1024
# Times that a block's brackets are counted anew, after elements that leave a string open.
MAX_RECOUNTS: Final = 16

PARSED, MALFORMED, BAD = range(3)

_WINDOW_BYTES: Final = 64 * 1024
_WINDOW_GROWTH: Final = 8
_MAX_CHARACTER_BYTES: Final = 4
_BAD_BYTE: Final = re.compile(r"[\udc80-\udcff]")
_MAX_GAP_BYTES: Final = 64
_BETWEEN: Final = re.compile(r"[\s,\ufeff]*+")
_BEFORE: Final = re.compile(rb"(?:\xef\xbb\xbf|[ \t\r\n])*+")
_MARK: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|["{}\[\],]', re.DOTALL)
_DEPTH_STEPS: Final = {"{": 1, "[": 1, "}": -1, "]": -1, ",": 0}
_SCANNER: Final = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
_QUOTE, _OPEN, _CLOSE, _LINE_END, _BACKSLASH = range(1, 6)
_CLASSES: Final = byte_classes(
    {b'"': _QUOTE, b"{[": _OPEN, b"}]": _CLOSE, b"\n": _LINE_END, b"\\": _BACKSLASH}
)
_IS_GAP: Final = np.isin(np.arange(256), list(b" \t\n\r,"))


@dataclass(frozen=True)
class Records:
    """Records of a block, in order. `framing`: PARSED, MALFORMED or BAD, which is not text.

    `original` are the bytes of `content` as they came, of the same length.
    """

    content: Content
    starts: Positions
    ends: Positions
    framing: npt.NDArray[np.int64]
    original: bytes

    def text(self, index: int) -> str:
        """One record; bytes that are not text are escaped."""
        return self.original[self.starts[index] : self.ends[index]].decode(errors="surrogateescape")


def line_records(stream: BinaryIO) -> Iterator[Records]:
    """Each line that is not blank."""
    for block in blocks(stream, BLOCK_BYTES):
        lines = Lines(block.content)
        framing = np.zeros(len(lines), dtype=np.int64)
        framing[:] = MALFORMED if block.is_too_long else PARSED
        framing[list(block.bad_lines)] = BAD
        framing[lines.with_byte(b"\0")] = BAD
        is_record = lines.octets[lines.starts] == ord("{")
        for index in np.flatnonzero(~is_record):
            is_record[index] = bool(lines[index].strip())
        rows = np.flatnonzero(is_record)
        yield Records(lines, lines.starts[rows], lines.ends[rows], framing[rows], lines.content)


def array_records(stream: BinaryIO) -> Iterator[Records]:
    """Each element; in bounded memory, also where the array has no line ends.

    The stream begins with `[`, or with the first of objects that follow each other. What follows
    the array's end is read as well: elements of another array, or malformed ones. An array that is
    cut short yields its whole elements and one more, the broken rest.
    """
    array = _Array()
    buffer, is_last, is_begun = b"", False, False
    while not is_last and not array.is_ended:
        new = stream.read(BLOCK_BYTES)
        is_last, buffer = not new, buffer + new
        if not is_begun:
            begin = _BEFORE.match(buffer)
            buffer = buffer[begin.end() if begin else 0 :]
            is_begun = bool(buffer)
            array.is_inside = array.may_hold_arrays = buffer.startswith(b"[")
            buffer = buffer.removeprefix(b"[")
        spans = _Spans()
        end = array.read(buffer, spans, is_last=is_last)
        yield spans.records(buffer[:end])
        buffer = buffer[end:]


@dataclass
class _Spans:
    """Where elements begin and end."""

    starts: list[Positions] = field(default_factory=list)
    ends: list[Positions] = field(default_factory=list)

    def add(self, start: int, end: int) -> None:
        self.starts.append(np.array([start]))
        self.ends.append(np.array([end]))

    def records(self, original: bytes) -> Records:
        none = np.empty(0, dtype=np.int64)
        starts, ends = np.concatenate([none, *self.starts]), np.concatenate([none, *self.ends])
        content = Content(_with_nul_for_bad_bytes(original))
        framing = np.zeros(len(starts), dtype=np.int64)
        is_too_long = ends - starts > MAX_ELEMENT_BYTES
        framing[is_too_long] = MALFORMED
        ends = np.where(is_too_long, starts + _KEPT_BYTES_OF_LONG_ELEMENT, ends)
        nul = content.positions(b"\0")
        if nul.size:
            framing[np.searchsorted(nul, starts) < np.searchsorted(nul, ends)] = BAD
        return Records(content, starts, ends, framing, original)


class _Array:
    """Reads elements out of buffers that begin between two of them. `is_inside`: between `[` and `]`."""

    def __init__(self) -> None:
        self.is_inside = self.may_hold_arrays = self.is_ended = False
        self._consumed = 0

    def read(self, buffer: bytes, spans: _Spans, *, is_last: bool) -> int:
        """Add the whole elements; where the first one begins that needs more to be read."""
        position, brackets, recounts = 0, _Brackets(buffer, 0), 0
        is_done = False
        while not is_done:
            if not brackets.is_between(position) and recounts < MAX_RECOUNTS:
                brackets, recounts = _Brackets(buffer, position), recounts + 1
            position = brackets.add_objects(position, spans)
            # Counting again and again would cost more than reading element by element.
            is_alone = recounts < MAX_RECOUNTS
            position, is_done = self._read_exactly(
                buffer, position, spans, is_last=is_last, is_alone=is_alone
            )
        if len(buffer) - position > MAX_UNENDED_BYTES and not is_last:
            spans.add(position, len(buffer))
            return len(buffer)
        return position

    def _read_exactly(
        self, buffer: bytes, position: int, spans: _Spans, *, is_last: bool, is_alone: bool
    ) -> tuple[int, bool]:
        """Read one element or all; where that ends, and whether the buffer has no more whole ones."""
        size = _WINDOW_BYTES
        while True:
            part = _whole_characters(buffer, position, size)
            is_whole = position + len(part) == len(buffer)
            text = part.decode(errors="surrogateescape")
            elements = self._elements(text, is_last=is_last and is_whole)
            found = list(islice(elements, 1 if is_alone else None))
            places = _Places(text)
            for start, end in found:
                spans.add(position + places.byte(start), position + places.byte(end))
            position += places.byte(self._consumed)
            if found and is_alone:
                return position, self.is_ended
            if is_whole or self.is_ended:
                return position, True
            size *= _WINDOW_GROWTH

    def _elements(self, text: str, *, is_last: bool) -> Iterator[tuple[int, int]]:
        """Where each whole element begins and ends; `_consumed` is where reading goes on."""
        position = 0
        while not self.is_ended:
            between = _BETWEEN.match(text, position)
            self._consumed = position = between.end() if between else position
            if self.may_hold_arrays and text[position : position + 1] == self._bracket:
                self.is_inside = not self.is_inside
                self._consumed = position = position + 1
                continue
            end = _end(text, position, is_last=is_last)
            if end is None:
                return
            is_cut_between_elements = end == position and self.is_inside
            self.is_ended = end == position or end > len(text)
            self._consumed = min(end, len(text))
            if end > position or is_cut_between_elements:
                yield position, position + len(text[position:end].rstrip())
            position = end

    @property
    def _bracket(self) -> str:
        return "]" if self.is_inside else "["


class _Places:
    """Places in a text -> places in its bytes, asked for in order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._last = (0, 0)

    def byte(self, place: int) -> int:
        if self._text.isascii():
            return place
        before, size = self._last
        size += len(self._text[before:place].encode(errors="surrogateescape"))
        self._last = (place, size)
        return size


class _Brackets:
    """The objects of a buffer between these bytes and its end, by brackets and strings alone.

    Where this is not certain (a string over a line end, a backslash outside strings), it ends.
    """

    def __init__(self, buffer: bytes, begin: int) -> None:
        self._buffer = buffer
        octets = np.frombuffer(buffer, dtype=np.uint8)
        at, kind = classified(buffer[begin:], _CLASSES)
        at, kind = _without_escaped(at + begin, kind)
        is_quote = kind == _QUOTE
        is_inside = np.cumsum(is_quote) % 2 == 1
        is_unsure = (is_inside & (kind == _LINE_END)) | (~is_inside & (kind == _BACKSLASH))
        is_bracket = ~is_inside & ((kind == _OPEN) | (kind == _CLOSE))
        steps = np.where(kind[is_bracket] == _OPEN, 1, -1)
        depth, brackets = np.cumsum(steps), at[is_bracket]
        self._limit = min(
            _first(at, is_unsure, len(buffer)), _first(brackets, depth < 0, len(buffer))
        )
        self._begin = begin
        self._quotes = at[is_quote]
        self._starts = brackets[(depth == 1) & (steps == 1)]
        self._ends = brackets[(depth == 0) & (steps == -1)] + 1
        self._ends = self._ends[self._ends <= self._limit]
        whole = self._starts[: len(self._ends)]
        is_regular = octets[whole] == ord("{")
        is_regular[1:] &= _are_gaps(octets, self._ends[:-1], whole[1:])
        self._irregular = np.append(np.flatnonzero(~is_regular), len(whole))

    def is_between(self, position: int) -> bool:
        """Whether this is known to be between two elements."""
        if not self._begin <= position <= self._limit:
            return False
        following = np.searchsorted(self._starts, position)
        is_after = following == 0 or (
            following <= len(self._ends) and self._ends[following - 1] <= position
        )
        return bool(is_after) and np.searchsorted(self._quotes, position) % 2 == 0

    def add_objects(self, position: int, spans: _Spans) -> int:
        """Add the objects that follow each other from here; where the last one ends."""
        first = int(np.searchsorted(self._starts, position))
        if not self.is_between(position) or first >= len(self._ends):
            return position
        gap = self._buffer[position : min(self._starts[first], position + _MAX_GAP_BYTES)]
        is_next = self._starts[first] - position <= _MAX_GAP_BYTES and not gap.strip(b" \t\r\n,")
        if not is_next or self._buffer[self._starts[first]] != ord("{"):
            return position
        last = int(self._irregular[np.searchsorted(self._irregular, first, side="right")])
        spans.starts.append(self._starts[first:last])
        spans.ends.append(self._ends[first:last])
        return int(self._ends[last - 1])


def _without_escaped(at: Positions, kind: Kinds) -> tuple[Positions, Kinds]:
    """The signs without the quotes and backslashes that a backslash stands before."""
    slashes = at[kind == _BACKSLASH]
    if not slashes.size:
        return at, kind
    numbers = np.arange(len(slashes))
    begins = np.append(True, np.diff(slashes) != 1)
    in_run = numbers - np.maximum.accumulate(np.where(begins, numbers, 0))
    is_escaped = np.isin(at, slashes[in_run % 2 == 0] + 1)
    is_kept = ~(is_escaped & ((kind == _QUOTE) | (kind == _BACKSLASH)))
    return at[is_kept], kind[is_kept]


def _first(at: Positions, wanted: Marks, otherwise: int) -> int:
    found = np.flatnonzero(wanted)
    return int(at[found[0]]) if found.size else otherwise


def _are_gaps(octets: npt.NDArray[np.uint8], starts: Positions, ends: Positions) -> Marks:
    """Where nothing but blanks and commas stands between."""
    sizes = ends - starts
    are_gaps = sizes <= _MAX_GAP_BYTES
    longest = int(sizes[are_gaps].max(initial=0))
    for at in range(longest):
        wanted = np.flatnonzero(sizes > at)
        are_gaps[wanted] &= _IS_GAP[octets[starts[wanted] + at]]
    return are_gaps


def _whole_characters(buffer: bytes, start: int, size: int) -> bytes:
    """So many bytes, or a few less where a character of UTF-8 would be cut."""
    end = start + size
    if end >= len(buffer):
        return buffer[start:]
    while end > start + size - _MAX_CHARACTER_BYTES and buffer[end] & 0xC0 == 0x80:  # noqa: PLR2004 - a byte that begins none
        end -= 1
    return buffer[start:end]


def _with_nul_for_bad_bytes(content: bytes) -> bytes:
    """The same length, as UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        text = content.decode(errors="surrogateescape")
        return _BAD_BYTE.sub("\0", text).encode()
    return content


def _end(text: str, position: int, *, is_last: bool) -> int | None:
    """Where the element ends; the same position at the file's end; None to read on."""
    if position >= len(text):
        return position if is_last else None
    if text[position] in "]}":
        return position + 1  # closes nothing: a malformed element
    try:
        _, whole_end = _SCANNER.raw_decode(text, position)
    except (ValueError, RecursionError):
        end = _end_of_broken(text, position)
        # Past the text: the rest of the file is one element that never ended.
        return len(text) + 1 if end is None and is_last else end
    return whole_end if whole_end < len(text) or is_last else None


def _end_of_broken(text: str, position: int) -> int | None:
    """By brackets and strings alone: the next comma or end at the array's own depth.

    No string runs over a line end, so one that does was never closed: the element ends with the line.
    """
    depth = 0
    for mark in _MARK.finditer(text, position):
        sign = mark[0]
        if sign[0] == '"':
            line_end = text.find("\n", mark.start(), mark.end() if len(sign) > 1 else len(text))
            if line_end >= 0 or len(sign) == 1:
                # What looks like a bracket in a string that does not end here is its text.
                return line_end if line_end >= 0 else None
            continue
        depth += _DEPTH_STEPS[sign]
        if sign in "}]," and depth <= 0:
            return mark.end() if sign != "," and depth == 0 else mark.start()
    return None
