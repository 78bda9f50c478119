"""The elements of a JSON array as the texts they are, in bounded memory.

Belongs here: where an element begins and ends, broken ones too. An array that is cut short gives
its whole elements and one more, the broken rest.
"""

import codecs
import json
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

BLOCK_BYTES: Final = 1024 * 1024
# A longer element is one malformed row; the array goes on behind it.
MAX_ELEMENT_CHARACTERS: Final = 1024 * 1024

_BETWEEN: Final = re.compile(r"[\s,\ufeff]*+")
_MARK: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\],]', re.DOTALL)
_BAD_BYTE: Final = re.compile(r"[\udc80-\udcff\0]")
_SCANNER: Final = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)


def elements(stream: BinaryIO) -> Iterator[tuple[str, bool]]:
    """Each element's text and whether it holds bytes that are no text.

    The stream stands at `[`, or at the first of objects that follow each other. What stands
    behind an array's end is read as well: another array's elements, or what is none.
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
            if end == position:
                if is_array:
                    yield "", False  # cut short between two elements
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
        return position + 1  # it closes nothing, and is no row
    try:
        _, whole_end = _SCANNER.raw_decode(buffer, position)
    except (ValueError, RecursionError):
        return _end_of_unreadable(buffer, position, is_last=is_last)
    return whole_end if whole_end < len(buffer) or is_last else None


def _end_of_unreadable(buffer: str, position: int, *, is_last: bool) -> int | None:
    end = _end_of_broken(buffer, position)
    if end is not None:
        return end
    # Behind the buffer: the rest of the file is one element that never ended.
    is_too_long = len(buffer) - position > MAX_ELEMENT_CHARACTERS
    return len(buffer) + 1 if is_last or is_too_long else None


def _end_of_broken(buffer: str, position: int) -> int | None:
    """By brackets and strings alone: the next comma or end at the array's own depth."""
    depth = 0
    for mark in _MARK.finditer(buffer, position):
        sign = mark[0]
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
