"""Ends a session whose peer has stopped reading or writing.

A channel's timeout does not cover bytes that wait in the socket itself: paramiko's writer retries
for ever while the peer's TCP window is closed. So a thread of our own watches for progress.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self


class StallGuard:
    """Calls `end` once, from its own thread, when `progress` was not called for that long."""

    def __init__(self, end: Callable[[], None], timeout_seconds: float) -> None:
        self._end = end
        self._timeout_seconds = timeout_seconds
        self._progress_at = time.monotonic()
        self._is_over = threading.Event()
        self.has_fired = False
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def progress(self) -> None:
        """The peer read or wrote something."""
        self._progress_at = time.monotonic()

    def _watch(self) -> None:
        while not self._is_over.wait(self._remaining_seconds()):
            if self._remaining_seconds() <= 0:
                self.has_fired = True
                self._end()
                return

    def _remaining_seconds(self) -> float:
        return max(0.0, self._progress_at + self._timeout_seconds - time.monotonic())
