"""A file in another encoding as a stream of UTF-8, decoded bit by bit.

Belongs here: bytes to bytes, before lines are framed. Bytes that are no text in their encoding stay no
text, so that only their own lines are refused.
"""

import codecs
import io
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from typing_extensions import override

from cardops.contracts.reading.rewinding import RewindingStream
from cardops.contracts.reading.source import FileRefusedError

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK_BYTES: Final = 1024 * 1024
# Stands for bytes that are no text; no text has it, and UTF-8 of it is none either.
_BAD: Final = chr(0xDCFF)
_HANDLER: Final = "cardops.bad_bytes"
# Without one of them the order of bytes would be a guess.
_BYTE_ORDER_MARKS: Final = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}


def as_utf8(name: str, stream: BinaryIO, encoding: str) -> BinaryIO:
    """The text of the stream in UTF-8. Raises FileRefusedError where the order of its bytes is unknown."""
    if encoding == "utf-8":
        return stream
    marks = _BYTE_ORDER_MARKS.get(encoding)
    if marks:
        if not stream.read(4).startswith(marks):
            raise FileRefusedError(
                f"{name} has no byte order mark, so nothing was ingested: say {encoding}-le or "
                f"{encoding}-be as the mapping's encoding."
            )
        stream.seek(0)
    return cast("BinaryIO", io.BufferedReader(_Transcoded(stream, encoding), BLOCK_BYTES))


class _Transcoded(RewindingStream):
    """Decodes as much as is asked for; can begin again."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        codecs.register_error(_HANDLER, _mark_bad_bytes)
        self._stream = stream
        self._new_decoder = codecs.getincrementaldecoder(encoding)
        self._decoder = self._new_decoder(_HANDLER)
        self._rest = b""
        self._is_ended = False

    @override
    def begin_again(self) -> None:
        self._stream.seek(0)
        self._decoder = self._new_decoder(_HANDLER)
        self._rest, self._is_ended = b"", False

    @override
    def readinto(self, buffer: "Buffer", /) -> int:
        target = memoryview(buffer).cast("B")
        while not self._rest and not self._is_ended:
            content = self._stream.read(BLOCK_BYTES)
            self._is_ended = not content
            text = self._decoder.decode(content, final=self._is_ended)
            self._rest = text.encode("utf-8", "surrogateescape")
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _mark_bad_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _BAD, error.end
