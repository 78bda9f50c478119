"""Streams that make their bytes from another stream, and can begin again but not seek elsewhere."""

import io
from abc import abstractmethod

from typing_extensions import override


class RewindingStream(io.RawIOBase):
    """Readable from its beginning, again and again; `readinto` is the subclass's."""

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("this stream can only begin again")
        self.begin_again()
        return 0

    @abstractmethod
    def begin_again(self) -> None:
        """Put the stream below at its beginning, and forget what was read of it."""
