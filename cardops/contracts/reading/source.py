"""An input file's bytes: its format by name, decompressed, with what refuses it whole.

Belongs here: what is judged before any row is read.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

FORMATS: Final = ("csv", "json", "ndjson", "parquet")


class FileRefusedError(Exception):
    """A file that cannot be read as what it should be; the message is the one sentence said."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """Where the rows come from; `key` is the object's path."""

    key: str
    content: BinaryIO

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rsplit("/", 1)[-1]

    @property
    def format(self) -> str:
        """By extension, `.gz` aside. Raises FileRefusedError."""
        extension = self.name.lower().removesuffix(".gz").rsplit(".", 1)[-1]
        if extension not in FORMATS:
            raise FileRefusedError(
                f"{self.name} is none of .csv, .json, .ndjson and .parquet (each also as .gz), so "
                "nothing was read: rename it to what it is and send it again."
            )
        return extension


def opened(source: SourceFile) -> BinaryIO:
    """The bytes, decompressed where the name ends in .gz. Raises FileRefusedError if empty."""
    stream = source.content
    if not stream.read(1):
        raise FileRefusedError(f"{source.name} is empty, so nothing was taken in: send it again.")
    stream.seek(0)
    if source.name.lower().endswith(".gz"):
        return cast("BinaryIO", gzip.GzipFile(fileobj=stream))
    return stream


@contextmanager
def refusing_broken_compression(name: str) -> Iterator[None]:
    """Turn a truncated or damaged .gz into a refusal of the whole file."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileRefusedError(
            f"{name} ends before its compression does or is damaged ({error}), so no row of it was "
            "taken in: transfer it again."
        ) from error
