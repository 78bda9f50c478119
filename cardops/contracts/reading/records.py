"""One CSV record out of physical lines, exactly as RFC 4180 quotes it.

Belongs here: the slow, exact path for lines with a quote in them. A quote that is never closed
costs the row in which it was opened; the next line begins a new record.
"""

import re
from functools import cache
from typing import Final, Literal, NamedTuple, Protocol

# An address may contain line ends; a quote still open after so many lines was a mistake.
MAX_RECORD_LINES: Final = 50

_STILL_OPEN: Final = re.compile(r'[^"]*+(?:""[^"]*+)*+\Z')


class _Patterns(NamedTuple):
    """The parts of a line whose fields end with one delimiter."""

    quoted: re.Pattern[str]
    plain: re.Pattern[str]
    open: re.Pattern[str]
    rest_of_open: re.Pattern[str]


@cache
def _patterns(delimiter: str) -> _Patterns:
    # Blanks around a quoted field; a tab that ends fields is none.
    blank = "[ \t]*+" if delimiter != "\t" else "[ ]*+"
    end = re.escape(delimiter)
    return _Patterns(
        quoted=re.compile(rf'{blank}"([^"]*+(?:""[^"]*+)*+)"{blank}({end}|\Z)'),
        plain=re.compile(rf'(?!{blank}")([^{end}]*+)({end}|\Z)'),
        open=re.compile(rf'{blank}"([^"]*+(?:""[^"]*+)*+)\Z'),
        rest_of_open=re.compile(rf'([^"]*+(?:""[^"]*+)*+)"{blank}({end}|\Z)'),
    )


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


def record_at(
    lines: TextLines, start: int, field_count: int | None = None, delimiter: str = ","
) -> Record:
    """The record that begins on that line.

    A record over several lines must have `field_count` fields, if given: otherwise the quote was
    a mistake, and only its own line is malformed.
    """
    fields: list[str] = []
    patterns = _patterns(delimiter)
    opened = _scan(lines[start], fields, patterns)
    if opened is None:
        return Record(None)
    count = 1
    while opened is not False:
        if count >= MAX_RECORD_LINES:
            return Record(None)
        if start + count >= len(lines):
            return Record(None, is_open=True)
        opened = _continue(opened, lines[start + count], fields, patterns)
        if opened is None:
            return Record(None)
        count += 1
    if count > 1 and field_count is not None and len(fields) != field_count:
        return Record(None)
    return Record(fields, count)


def _scan(
    line: str, fields: list[str], patterns: _Patterns, position: int = 0
) -> list[str] | Literal[False] | None:
    """Add the line's fields. False: it ended; a list: the open field so far; None: malformed."""
    while True:
        found = patterns.quoted.match(line, position)
        if found:
            fields.append(found[1].replace('""', '"'))
        else:
            found = patterns.plain.match(line, position)
            if not found:
                still_open = patterns.open.match(line, position)
                return [still_open[1]] if still_open else None
            fields.append(found[1])
        if not found[2]:
            return False
        position = found.end()


def _continue(
    opened: list[str], line: str, fields: list[str], patterns: _Patterns
) -> list[str] | Literal[False] | None:
    """The same for a line inside an open quoted field."""
    if _STILL_OPEN.match(line):
        opened.append(line)
        return opened
    rest = patterns.rest_of_open.match(line)
    if not rest:
        return None
    fields.append("\n".join([*opened, rest[1]]).replace('""', '"'))
    return _scan(line, fields, patterns, rest.end()) if rest[2] else False
