"""Watches of what arrives: the kernel's events of a directory, and the passing of time for a bucket.

Belongs here: when to look. What is there and complete is found by `listing`.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from typing_extensions import override
from watchfiles import Change, watch

from cardops.ports import ArrivalWatch
from cardops.rules.intake.arrivals import INCOMING

# Events of one file come close together (created, written, times set): they make one look.
DEBOUNCE_MILLISECONDS: Final = 200
STEP_MILLISECONDS: Final = 50
# How often the watch itself is looked after while nothing arrives.
ROUND_MILLISECONDS: Final = 1_000
# After a change of which the kernel's events cannot be read.
PAUSE_SECONDS: Final = 1.0
# Without events of its own, a store is listed this often.
LISTING_SECONDS: Final = 3.0

# It logs every change.
logging.getLogger("watchfiles").setLevel(logging.WARNING)
_log = logging.getLogger(__name__)


class TimedWatch(ArrivalWatch):
    """Everything may be new whenever some seconds have passed: for a bucket without events."""

    def __init__(self, seconds: float = LISTING_SECONDS) -> None:
        self._seconds = seconds
        self._closed = threading.Event()

    @override
    def wait(self, seconds: float) -> Collection[str] | None:
        return () if self._closed.wait(min(seconds, self._seconds)) else None

    @override
    def close(self) -> None:
        self._closed.set()


class DirectoryWatch(ArrivalWatch):
    """The kernel's events of `incoming/` below a store's root, and of every folder in it.

    Where the kernel gives no more watches, or the file system has no events, everything is listed
    every few seconds instead.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / INCOMING
        self._closed = threading.Event()
        self._inode: int | None = None
        self._rounds: Iterator[set[tuple[Change, str]]] = iter(())
        self._instead: TimedWatch | None = None

    @override
    def wait(self, seconds: float) -> Collection[str] | None:
        if self._instead is not None:
            return self._instead.wait(seconds)
        deadline = time.monotonic() + seconds
        while not self._closed.is_set():
            if self._is_new():
                return None  # what came before the watch began
            changed = self._next_keys()
            if changed is None or changed or time.monotonic() >= deadline:
                return changed
        return ()

    @override
    def close(self) -> None:
        self._closed.set()
        if self._instead is not None:
            self._instead.close()

    def _is_new(self) -> bool:
        """Begin to watch where nobody does: at first, and when the folder was made again."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        inode = self._incoming.stat().st_ino
        if inode == self._inode:
            return False
        self._inode = inode
        self._rounds = watch(
            self._incoming,
            watch_filter=None,
            debounce=DEBOUNCE_MILLISECONDS,
            step=STEP_MILLISECONDS,
            rust_timeout=ROUND_MILLISECONDS,
            yield_on_timeout=True,
            stop_event=self._closed,
        )
        try:
            next(self._rounds, None)  # its first round begins the watch
        except (
            OSError,
            RuntimeError,
        ) as error:  # of the latter are the errors of watchfiles itself
            _log.warning(
                "%s cannot be watched (%s), so it is listed every %.0f seconds instead; raise the "
                "kernel's limit fs.inotify.max_user_watches to have files ingested sooner.",
                *(self._incoming, error, LISTING_SECONDS),
            )
            self._instead = TimedWatch()
        return True

    def _next_keys(self) -> Collection[str] | None:
        """What the next round tells; everything where it cannot say what it saw, as of a name that is no text."""
        try:
            return self._keys(next(self._rounds, set()))
        except (OSError, RuntimeError) as error:
            _log.warning(
                "A change below %s cannot be told, so everything is listed: %s",
                self._incoming,
                error,
            )
            self._inode = None  # the watch has ended, and begins again
            self._closed.wait(PAUSE_SECONDS)
            return None

    def _keys(self, changes: set[tuple[Change, str]]) -> Collection[str] | None:
        """Keys of files that were made or changed; None where a folder was."""
        paths = {Path(path) for change, path in changes if change is not Change.deleted}
        if any(path.is_dir() for path in paths):
            return None
        return frozenset(str(path.relative_to(self._root)) for path in paths)
