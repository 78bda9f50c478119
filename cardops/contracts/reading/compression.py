"""Compressed input files as streams: gzip and zstd, by the end of the name, in bounded memory.

Belongs here: decompression alone. What the bytes mean is for the readers.
"""

import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

import pyarrow as pa
from typing_extensions import override

from cardops.contracts.reading.rewinding import RewindingStream
from cardops.rules.intake.arrivals import COMPRESSIONS

if TYPE_CHECKING:
    from typing_extensions import Buffer


class BrokenCompressionError(Exception):
    """The content ends before its compression does, or is damaged."""


def plain_name(name: str) -> str:
    """The name without the ending of a compression, in lower case."""
    lowered = name.lower()
    for ending in COMPRESSIONS:
        lowered = lowered.removesuffix(ending)
    return lowered


def extension_of(name: str) -> str:
    """What follows the last point of that name."""
    return plain_name(name).rsplit(".", 1)[-1]


def decompressed(name: str, stream: BinaryIO) -> BinaryIO:
    """The content; of a compressed Parquet file or workbook through a file on disk, since it is read from its end.

    Reading it, or opening a Parquet file, raises what `broken_compression` explains.
    """
    lowered = name.lower()
    if lowered.endswith(".gz"):
        found = cast("BinaryIO", gzip.GzipFile(fileobj=stream))
    elif lowered.endswith(".zst"):
        found = io.BufferedReader(_Zstd(stream))
    else:
        return stream
    return _on_disk(found) if plain_name(name).endswith((".parquet", ".xlsx")) else found


@contextmanager
def broken_compression() -> Iterator[None]:
    """Turn what the libraries raise into BrokenCompressionError."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BrokenCompressionError(str(error)) from error


class _Zstd(RewindingStream):
    """Arrow's decompressor as a stream that can begin again."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._content = self._opened()

    @override
    def begin_again(self) -> None:
        self._stream.seek(0)
        self._content = self._opened()

    @override
    def readinto(self, buffer: "Buffer", /) -> int:
        target = memoryview(buffer).cast("B")
        try:
            content = self._content.read(len(target))
        except OSError as error:
            # Arrow has no error of its own for this; storage's errors carry a number.
            if error.errno is not None:
                raise
            raise EOFError(str(error)) from error
        target[: len(content)] = content
        return len(content)

    def _opened(self) -> pa.CompressedInputStream:
        return pa.CompressedInputStream(pa.PythonFile(_LeftOpen(self._stream), mode="r"), "zstd")


class _LeftOpen(io.RawIOBase):
    """Arrow closes what it has read; the stream belongs to who opened it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    @override
    def readable(self) -> bool:
        return True

    @override
    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(size)


def _on_disk(stream: BinaryIO) -> BinaryIO:
    """The content in a file without a name, which ends with its reader."""
    with tempfile.NamedTemporaryFile() as target:
        shutil.copyfileobj(stream, target, 1024 * 1024)
        target.flush()
        return cast("BinaryIO", pa.OSFile(target.name, mode="r"))
