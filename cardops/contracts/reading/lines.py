"""Physical lines of a text file, in blocks, whatever the line ends and however long a line is.

Belongs here: bytes to text and lines. The readers interpret the lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import numpy as np

BLOCK_BYTES: Final = 8 * 1024 * 1024
# A longer line is one malformed row, and its text is cut.
MAX_LINE_BYTES: Final = 1024 * 1024
_KEPT_BYTES_OF_LONG_LINE: Final = 1024
_FIRST_BEYOND_ASCII: Final = 0x80
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Block:
    """Whole lines in UTF-8, joined by LF, without a last LF.

    `bad_lines` held bytes that are not text; U+FFFD stands there.
    """

    content: bytes
    bad_lines: frozenset[int] = field(default_factory=frozenset)
    is_too_long: bool = False

    @property
    def text(self) -> str:
        """The lines as text."""
        return self.content.decode()


def blocks(stream: BinaryIO, size: int | None = None) -> Iterator[Block]:
    """The file's lines in order, about so many bytes at once; CRLF and CR become LF."""
    carry = b""
    is_first, skips_rest_of_line = True, False
    while True:
        new = stream.read(size or BLOCK_BYTES)
        content = carry + new
        if is_first:
            content, is_first = content.removeprefix(_BOM), False
        whole, carry = _whole_lines(content, is_last=not new)
        if skips_rest_of_line:
            _, found, whole = whole.partition(b"\n")
            skips_rest_of_line = not found and bool(new)
        if whole:
            yield _decoded(whole.removesuffix(b"\n"))
        if not new:
            return
        if len(carry) > MAX_LINE_BYTES:
            if not skips_rest_of_line:
                yield _too_long(carry)
            carry, skips_rest_of_line = b"", True


def _whole_lines(content: bytes, *, is_last: bool) -> tuple[bytes, bytes]:
    """Complete lines, and the rest; a CR at the very end may be half a CRLF."""
    half = b"" if is_last or not content.endswith(b"\r") else b"\r"
    if b"\r" in content:
        content = content[: len(content) - len(half)]
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if is_last:
        return content, b""
    end = content.rfind(b"\n") + 1
    return content[:end], content[end:] + half


def _decoded(content: bytes) -> Block:
    try:
        if not content.isascii():
            content.decode()
    except UnicodeDecodeError:
        return _replaced(content)
    return Block(content)


def _replaced(content: bytes) -> Block:
    """Only lines with bytes beyond ASCII can have bad ones, and usually few lines of a block do."""
    octets = np.frombuffer(content, dtype=np.uint8)
    ends = np.append(np.flatnonzero(octets == ord("\n")), len(content))
    suspects = np.unique(np.searchsorted(ends, np.flatnonzero(octets >= _FIRST_BEYOND_ASCII)))
    parts, bad, done = [], [], 0
    for index in suspects.tolist():
        start, end = int(ends[index - 1]) + 1 if index else 0, int(ends[index])
        line = content[start:end]
        try:
            line.decode()
        except UnicodeDecodeError:
            parts += [content[done:start], line.decode(errors="replace").encode()]
            bad.append(index)
            done = end
    return Block(b"".join([*parts, content[done:]]), frozenset(bad))


def _too_long(content: bytes) -> Block:
    kept = content[:_KEPT_BYTES_OF_LONG_LINE].decode(errors="replace").encode()
    return Block(kept, is_too_long=True)
