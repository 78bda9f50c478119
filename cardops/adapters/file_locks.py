"""Locks between processes on files: the only module that locks a file.

The kernel releases a lock when its process ends, however it ends. A forked child does not keep the
exclusive locks of its parent.
"""

import fcntl
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

POLL_SECONDS: Final = 0.02
# How long a lock's holder must have been stopped (SIGSTOP, Ctrl-Z) before waiting for it is given up.
STOPPED_SECONDS: Final = 2.0

# C's struct flock, which has its fields in this order on Linux, and in another on the BSDs and macOS.
_FLOCK_FIELDS: Final = (
    ("type", "whence", "start", "length", "pid")
    if sys.platform == "linux"
    else ("start", "length", "pid", "type", "whence")
)
_FLOCK: Final = struct.Struct("hhqqi4x" if sys.platform == "linux" else "qqihh")
# A lock for writing on all of the file would meet every other lock.
_FLOCK_OF: Final = {"type": fcntl.F_WRLCK, "whence": os.SEEK_SET, "start": 0, "length": 0, "pid": 0}

_exclusive: set[int] = set()


class HolderStoppedError(Exception):
    """The lock's holder does not run: it was stopped by a signal, and may continue at any time."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid} is stopped")
        self.pid = pid


@contextmanager
def exclusive_lock(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock until the block ends. Raises BlockingIOError where it is held and not waited for."""
    handle = _open(path)
    _exclusive.add(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        _close(handle)


@contextmanager
def recorded_lock(path: Path) -> Iterator[None]:
    """An exclusive lock whose file names the process that holds it.

    Raises HolderStoppedError where that process has been stopped for `STOPPED_SECONDS`.
    """
    handle = _open(path)
    _exclusive.add(handle)
    try:
        _wait_for(handle)
        os.ftruncate(handle, 0)
        # On a full disk the lock holds without a name: its holder is waited for, stopped or not.
        with suppress(OSError):
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
        os.ftruncate(handle, 0)
    finally:
        _close(handle)


class SharedLock:
    """A lock that several processes hold at once, each until it ends or releases it."""

    def __init__(self, path: Path) -> None:
        self._handle = _open(path)
        fcntl.flock(self._handle, fcntl.LOCK_SH)

    def release(self) -> bool:
        """True where no other process holds it. An exclusive lock must keep new holders out."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(self._handle)


def is_locked(path: Path) -> bool:
    """Whether another process has locked the file for reading or writing, as DuckDB locks its files.

    These are locks of fcntl, not of flock. Where they cannot be asked for, the file counts as
    locked. A process must not ask about a file that it has open itself: asking ends its own locks.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        asked = _FLOCK.pack(*(_FLOCK_OF[name] for name in _FLOCK_FIELDS))
        answered = _FLOCK.unpack(fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    except OSError:
        return True
    finally:
        os.close(handle)
    return bool(answered[_FLOCK_FIELDS.index("type")] != fcntl.F_UNLCK)


def _wait_for(handle: int) -> None:
    stopped_since: tuple[int, float] | None = None
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _holder(handle)
            if pid is None or not _is_stopped(pid):
                stopped_since = None
            elif stopped_since is None or stopped_since[0] != pid:
                stopped_since = (pid, time.monotonic())
            elif time.monotonic() - stopped_since[1] > STOPPED_SECONDS:
                raise HolderStoppedError(pid) from None
            time.sleep(POLL_SECONDS)
        else:
            return


def _holder(handle: int) -> int | None:
    text = os.pread(handle, 20, 0)
    return int(text) if text.isdigit() else None


def _is_stopped(pid: int) -> bool:
    """Whether a signal stopped the process: state T in /proc or ps."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2]
    except OSError:
        if Path("/proc/self/stat").exists():
            return False
        command = ["ps", "-o", "state=", "-p", str(pid)]
        state = subprocess.run(  # noqa: S603 - a fixed program, a number as its argument
            command, capture_output=True, text=True, check=False
        ).stdout
    return state.strip().startswith("T")


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _close(handle: int) -> None:
    # A forked child has closed it already, and the number may be another file's there.
    if handle in _exclusive:
        _exclusive.discard(handle)
        os.close(handle)


def _release_in_child() -> None:
    """Close what the parent holds: the lock would stay until the child ends as well."""
    while _exclusive:
        os.close(_exclusive.pop())


os.register_at_fork(after_in_child=_release_in_child)
