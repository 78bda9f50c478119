"""How long processes waited for a processor, which tests subtract where they limit a time.

A limit then holds on a busy machine too: what counts is the time that the processes themselves took.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol


class Process(Protocol):
    """What is asked of a process."""

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


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

    def until_end_of(self, process: Process, seconds: float) -> int:
        """Wait for one of the processes; its exit code. Raises subprocess.TimeoutExpired."""
        end = time.monotonic() + seconds
        while (code := process.poll()) is None and time.monotonic() < end:
            self.seconds()
            time.sleep(0.01)
        return process.wait(0) if code is None else code

    @staticmethod
    def _read(file: Path) -> float:
        return int(file.read_text().split()[1]) / 1e9
