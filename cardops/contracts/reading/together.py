"""Small files read together: CSV files that follow each other under one header as if they were one.

Belongs here: which files may be joined, and where each one's rows are. What is unusual about a file
(quotes, other line ends, bytes that are no text) makes it a file by itself, read as always.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from typing import BinaryIO, Final

import polars as pl

from cardops.contracts.reading.rows import InputRows
from cardops.contracts.reading.source import FileRefusedError

_BLANK: Final = b" \t"
# A quote may join lines; the others end a line, or make it none.
_UNUSUAL: Final = (b'"', b"\r", b"\0")

# Reads a file of this key. Raises FileRefusedError.
Read = Callable[[str, BinaryIO], InputRows]


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A file in memory, by its key."""

    key: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ReadFiles:
    """Files that follow each other, with their rows in one frame.

    `rows` is what all of them have in common: header, format, unknown columns; None for a file that
    cannot be read.
    """

    rows: InputRows | None
    frame: pl.DataFrame
    row_counts: tuple[int, ...]

    @property
    def file_count(self) -> int:
        """How many files these are."""
        return len(self.row_counts)


_UNREADABLE: Final = ReadFiles(None, pl.DataFrame(), (0,))


def read_together(
    files: Sequence[SmallFile], read: Read, *, is_mapped: bool
) -> Iterator[ReadFiles]:
    """All files in order, joined where that is the same.

    `is_mapped`: a sender's mapping says where a file's header and rows are, so none is joined.
    """
    for header, following in groupby(files, key=_no_header if is_mapped else _common_header):
        run = list(following)
        joined = None if header is None or len(run) == 1 else _joined(header, run, read)
        if joined is not None:
            yield joined
        else:
            yield from (_alone(file, read) for file in run)


def _no_header(_file: SmallFile) -> bytes | None:
    return None


def _common_header(file: SmallFile) -> bytes | None:
    """The first line of a CSV file that can be joined to others with the same one."""
    content = file.content
    if not file.key.endswith(".csv") or any(mark in content for mark in _UNUSUAL):
        return None
    header = content.partition(b"\n")[0]
    return header if header.strip(_BLANK) and _is_text(content) else None


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    return not text.startswith("\ufeff")


def _joined(header: bytes, files: Sequence[SmallFile], read: Read) -> ReadFiles | None:
    """None where the reader does not see in the joined file what is in the files."""
    bodies = [file.content[len(header) + 1 :] for file in files]
    counts = [sum(1 for line in body.split(b"\n") if line.strip(_BLANK)) for body in bodies]
    joined = SmallFile(files[0].key, b"\n".join([header, *bodies, b""]))
    found = _alone(joined, read)
    # A processor's report may have sections, and lines that are no rows.
    if found.rows is None or found.rows.importer is not None:
        return None
    if found.row_counts != (sum(counts),):
        return None
    return ReadFiles(found.rows, found.frame, tuple(counts))


def _alone(file: SmallFile, read: Read) -> ReadFiles:
    try:
        rows = read(file.key, BytesIO(file.content))
        chunks = list(rows.chunks())
    except FileRefusedError:
        return _UNREADABLE
    if not chunks:
        return _UNREADABLE
    frame = pl.concat(chunks)
    return ReadFiles(rows, frame, (frame.height,))
