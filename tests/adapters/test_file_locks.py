"""Locks between processes: stopped holders are noticed, and forked children hold nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cardops.adapters import file_locks
from cardops.adapters.file_locks import HolderStoppedError, exclusive_lock, is_locked, recorded_lock
from tests.factories.waiting import wait_until

HOLD = (
    "import sys; from pathlib import Path; from cardops.adapters.file_locks import recorded_lock\n"
    "with recorded_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.readline()"
)
FORK = (
    "import os, sys; from pathlib import Path; from cardops.adapters.file_locks import *\n"
    "with exclusive_lock(Path(sys.argv[1])):\n"
    "    if os.fork() == 0:\n"
    "        sys.stdin.readline(); os._exit(0)\n"
    "print('released', flush=True)\n"
    "os.wait()"
)


@contextmanager
def process_with(program: str, path: Path) -> "Iterator[subprocess.Popen[str]]":
    """A process that runs the program and has printed its first line."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_holder_that_was_stopped_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_locks, "STOPPED_SECONDS", 0.1)
    path = tmp_path / "lock"
    with process_with(HOLD, path) as holder:
        holder.send_signal(signal.SIGSTOP)
        with pytest.raises(HolderStoppedError) as error, recorded_lock(path):
            pass
    assert error.value.pid == holder.pid
    with recorded_lock(path):
        assert path.read_text() == str(os.getpid())


def test_running_holder_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_locks, "STOPPED_SECONDS", 0.01)
    path = tmp_path / "lock"
    with process_with(HOLD, path) as holder:
        assert holder.stdin is not None
        began = time.monotonic()
        subprocess.Popen(["/bin/sh", "-c", f"sleep 0.2; kill -9 {holder.pid}"]).wait()
        with recorded_lock(path):
            assert time.monotonic() - began >= 0.2


def test_forked_child_does_not_keep_its_parents_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with process_with(FORK, path):
        # The child closes its copy of the lock's handle as soon as it runs.
        wait_until(lambda: is_free(path), "the parent's lock", seconds=30)


def is_free(path: Path) -> bool:
    try:
        with exclusive_lock(path, wait=False):
            return True
    except BlockingIOError:
        return False


LOCK_FOR_READING = (
    "import fcntl, sys; file = open(sys.argv[1])\n"
    "fcntl.lockf(file, fcntl.LOCK_SH); print('held', flush=True); sys.stdin.readline()"
)


def test_file_locked_by_a_reader_is_seen_as_locked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o444)

    assert not is_locked(path)
    with process_with(LOCK_FOR_READING, path):
        assert is_locked(path)
    assert not is_locked(path)
