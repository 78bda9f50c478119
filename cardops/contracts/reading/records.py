"""One CSV record out of physical lines, exactly as RFC 4180 quotes it.

Belongs here: the slow, exact path for lines with a quote in them. A quote that is never closed
costs the row in which it was opened; the next line begins a new record.
"""

import re
from typing import Final, Literal, NamedTuple, Protocol

# An address may contain line ends; a quote still open after so many lines was a mistake.
MAX_RECORD_LINES: Final = 50

_QUOTED: Final = re.compile(r'[ \t]*+"([^"]*+(?:""[^"]*+)*+)"[ \t]*+(,|\Z)')
_PLAIN: Final = re.compile(r'(?![ \t]*+")([^,]*+)(,|\Z)')
_OPEN: Final = re.compile(r'[ \t]*+"([^"]*+(?:""[^"]*+)*+)\Z')
_REST_OF_OPEN: Final = re.compile(r'([^"]*+(?:""[^"]*+)*+)"[ \t]*+(,|\Z)')
_STILL_OPEN: Final = re.compile(r'[^"]*+(?:""[^"]*+)*+\Z')


class TextLines(Protocol):
    """Physical lines of text, by index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> str: ...


class Record(NamedTuple):
    """Fields of one record over `line_count` lines; None where it is malformed.

    `is_open`: the lines given ended inside a quoted field.
    """

    fields: list[str] | None
    line_count: int = 1
    is_open: bool = False


def record_at(lines: TextLines, start: int, field_count: int | None = None) -> Record:
    """The record that begins on that line.

    A record over several lines must have `field_count` fields, if given: otherwise the quote was
    a mistake, and only its own line is malformed.
    """
    fields: list[str] = []
    opened = _scan(lines[start], fields)
    if opened is None:
        return Record(None)
    count = 1
    while opened is not False:
        if count >= MAX_RECORD_LINES:
            return Record(None)
        if start + count >= len(lines):
            return Record(None, is_open=True)
        opened = _continue(opened, lines[start + count], fields)
        if opened is None:
            return Record(None)
        count += 1
    if count > 1 and field_count is not None and len(fields) != field_count:
        return Record(None)
    return Record(fields, count)


def _scan(line: str, fields: list[str], position: int = 0) -> list[str] | Literal[False] | None:
    """Add the line's fields. False: it ended; a list: the open field so far; None: malformed."""
    while True:
        found = _QUOTED.match(line, position)
        if found:
            fields.append(found[1].replace('""', '"'))
        else:
            found = _PLAIN.match(line, position)
            if not found:
                still_open = _OPEN.match(line, position)
                return [still_open[1]] if still_open else None
            fields.append(found[1])
        if not found[2]:
            return False
        position = found.end()


def _continue(opened: list[str], line: str, fields: list[str]) -> list[str] | Literal[False] | None:
    """The same for a line inside an open quoted field."""
    if _STILL_OPEN.match(line):
        opened.append(line)
        return opened
    rest = _REST_OF_OPEN.match(line)
    if not rest:
        return None
    fields.append("\n".join([*opened, rest[1]]).replace('""', '"'))
    return _scan(line, fields, rest.end()) if rest[2] else False
