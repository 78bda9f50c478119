"""An Excel workbook written again in a form that is safe to open: sizes are known, nothing is hidden.

Belongs here: what is refused before a library reads the file whole. A workbook is a zip archive, whose
sizes are only claims until it was unpacked, and a sheet takes memory for every cell up to its last one.
"""

import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, BinaryIO, Final

from cardops.contracts.reading.source import FileRefusedError

MAX_WORKBOOK_BYTES: Final = 512 * 1024 * 1024
MAX_TEXT_BYTES: Final = 128 * 1024 * 1024  # shared strings, which are held in memory
MAX_PARTS: Final = 2_000
# Rows times columns, up to the last cell.
MAX_CELLS: Final = 6_000_000
_BLOCK_BYTES: Final = 1024 * 1024
# How an encrypted workbook begins, and one in the form before 2007.
_COMPOUND_FILE: Final = b"\xd0\xcf\x11\xe0"
# A sheet anywhere else is not read: it would be one whose extent nobody looked at.
_WANTED: Final = re.compile(
    r"\[Content_Types\]\.xml|_rels/[^/]*\.rels|xl/(?:(?:worksheets/)?_rels/[^/]*\.rels"
    r"|(?:workbook|styles|sharedStrings)\.xml|worksheets/[^/]*\.xml)",
    re.IGNORECASE,
)
_SHEET: Final = re.compile(r"xl/worksheets/[^/]*\.xml", re.IGNORECASE)
_STRINGS: Final = "xl/sharedstrings.xml"
_ELEMENT: Final = re.compile(rb"<(?:[\w.-]+:)?(?:row|c)(?=[\s/>])")
_ADDRESS: Final = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{0,9})([0-9]{1,20})["']""")
_ERROR_CELL: Final = re.compile(rb"""(<(?:[\w.-]+:)?c\s[^<>]*?\bt\s*=\s*)(?:"e"|'e')""")


@contextmanager
def safe_workbook(name: str, stream: BinaryIO) -> Iterator[IO[bytes]]:
    """The workbook in a file without a name, unpacked. Raises FileRefusedError."""
    with tempfile.TemporaryFile(prefix="cardops-workbook-") as target:
        try:
            _write_again(name, stream, target)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
            raise _refused(
                name,
                "is cut short, damaged, or no Excel workbook",
                "send it again as .xlsx",
            ) from error
        target.seek(0)
        yield target


def _refused(name: str, what: str, mend: str) -> FileRefusedError:
    return FileRefusedError(f"{name} {what}, so nothing was ingested: {mend}.")


def _write_again(name: str, stream: BinaryIO, target: IO[bytes]) -> None:
    if stream.read(4) == _COMPOUND_FILE:
        raise _refused(
            name,
            "is protected by a password, or in Excel's form from before 2007",
            "save it without a password as .xlsx",
        )
    stream.seek(0)
    with zipfile.ZipFile(stream) as archive, zipfile.ZipFile(target, "w") as copy:
        size = 0
        for part in _wanted_parts(name, archive):
            with archive.open(part) as content, copy.open(part.filename, "w") as unpacked:
                size += _copy(name, part.filename, content, unpacked)
            if size > MAX_WORKBOOK_BYTES:
                raise _too_large(name)


def _copy(name: str, part: str, content: IO[bytes], unpacked: IO[bytes]) -> int:
    size = 0
    for block in _blocks(name, part, content):
        size += len(block)
        if size > MAX_WORKBOOK_BYTES:
            raise _too_large(name)
        unpacked.write(block)
    return size


def _wanted_parts(name: str, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    parts = [part for part in archive.infolist() if _WANTED.fullmatch(part.filename)]
    names = {part.filename.lower() for part in parts}
    if "xl/workbook.xml" not in names or len(names) != len(parts) or len(parts) > MAX_PARTS:
        raise zipfile.BadZipFile("no workbook, or a part twice")
    if any(part.flag_bits & 1 for part in parts):
        raise zipfile.BadZipFile("encrypted")
    if sum(part.file_size for part in parts) > MAX_WORKBOOK_BYTES:
        raise _too_large(name)
    return parts


def _too_large(name: str) -> FileRefusedError:
    return _refused(
        name,
        f"is too large for a workbook (more than {MAX_WORKBOOK_BYTES // 1024**2} MB unpacked, or "
        f"{MAX_CELLS:,} cells up to its last one)",
        "send it as CSV, which may be of any size, or in parts",
    )


def _blocks(name: str, part: str, content: IO[bytes]) -> Iterator[bytes]:
    if _SHEET.fullmatch(part):
        return _sheet_blocks(name, content)
    return _plain_blocks(name, content, MAX_TEXT_BYTES if part.lower() == _STRINGS else None)


def _plain_blocks(name: str, content: IO[bytes], max_bytes: int | None) -> Iterator[bytes]:
    size = 0
    while block := content.read(_BLOCK_BYTES):
        size += len(block)
        if max_bytes is not None and size > max_bytes:
            raise _too_large(name)
        yield block


def _sheet_blocks(name: str, content: IO[bytes]) -> Iterator[bytes]:
    """The sheet, its extent checked; cells that hold an error become their text, such as #N/A."""
    extent, rest = _Extent(), b""
    while block := content.read(_BLOCK_BYTES):
        whole, sign, rest = (rest + block).rpartition(b"<")
        rest = sign + rest
        if len(rest) > _BLOCK_BYTES:
            if b">" not in rest:
                raise zipfile.BadZipFile("an element without an end")
            whole, rest = whole + rest, b""  # a long text
        extent.add(whole)
        if extent.is_too_large:
            raise _too_large(name)
        yield _ERROR_CELL.sub(rb'\1"str"', whole)
    yield rest
    if extent.has_cells_without_address:
        raise zipfile.BadZipFile("cells without address")


@dataclass(slots=True)
class _Extent:
    """How far a sheet's cells reach."""

    columns: set[bytes] = field(default_factory=set)
    last_row: int = 0
    elements: int = 0
    addresses: int = 0

    def add(self, content: bytes) -> None:
        found = _ADDRESS.findall(content)
        self.elements += len(_ELEMENT.findall(content))
        self.addresses += len(found)
        if found:
            self.columns.update({letters.upper() for letters, _ in found})
            self.last_row = max(self.last_row, *map(int, {digits for _, digits in found}))

    @property
    def is_too_large(self) -> bool:
        return self.last_row * max(map(_column_number, self.columns), default=0) > MAX_CELLS

    @property
    def has_cells_without_address(self) -> bool:
        return self.addresses < self.elements


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
