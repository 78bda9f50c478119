"""How many rows the next chunk has: as many as are posted in a given time.

An authorization for one of a chunk's accounts waits until the chunk is committed. So the time is the
limit, not the number of rows, which differs by machine, load and file.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Well below the 0.1 s that an authorization may wait, because chunks differ.
TARGET_SECONDS: Final = 0.06
FIRST_ROWS: Final = 1_000
# On a machine whose processors are all busy, most of a chunk's time is the wait of its round trips
# for a processor: fewer rows than these would take as long, and the file for ever.
MIN_ROWS: Final = 1_000
MAX_ROWS: Final = 20_000
# A fast chunk may be one whose rows were all posted before: the next one may not be.
MAX_GROWTH: Final = 2.0


class ChunkPace:
    """The size of the next chunk, from the time of the last one."""

    def __init__(self) -> None:
        self.row_count = FIRST_ROWS

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Time a chunk of `row_count` rows."""
        begun = time.monotonic()
        yield
        self.add(time.monotonic() - begun)

    def add(self, seconds: float) -> None:
        """Take the time of a chunk of `row_count` rows into account."""
        factor = min(TARGET_SECONDS / max(seconds, 1e-6), MAX_GROWTH)
        self.row_count = min(max(int(self.row_count * factor), MIN_ROWS), MAX_ROWS)
