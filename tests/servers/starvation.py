"""How long processes waited for a processor, which tests subtract where they limit a time.

A limit then holds on a busy machine too: what counts is the time that the processes themselves took.
"""

import os
from contextlib import suppress
from pathlib import Path


class Starvation:
    """How long processes were ready to run while others had the processors, since now."""

    def __init__(self, *pids: int) -> None:
        """This process is always one of them."""
        self._files = [Path(f"/proc/{pid}/schedstat") for pid in (os.getpid(), *pids)]
        self._at_first = [self._read(file) for file in self._files]
        self._last = list(self._at_first)

    def seconds(self) -> float:
        """Until now, or until the last call before a process ended."""
        for place, file in enumerate(self._files):
            with suppress(OSError, IndexError):
                self._last[place] = self._read(file)
        return sum(self._last) - sum(self._at_first)

    @staticmethod
    def _read(file: Path) -> float:
        return int(file.read_text().split()[1]) / 1e9
