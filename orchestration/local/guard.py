"""Ends every process of `cardops up` when the command itself ends, even by kill -9.

The guard leads the process group of all services and reads a pipe whose other end only the
command holds. When the pipe closes it sends SIGTERM to the group, and kills what is still running
after a grace period. docs/decisions/0028 says why no library does this.
"""

import os
import signal
import sys
import time
from typing import Final

from cardops.bootstrap import stop_unused_server
from cardops.settings import Settings

GRACE_SECONDS: Final = 15
POLL_SECONDS: Final = 0.2


def main() -> None:
    """`python -m orchestration.local.guard PIPE`."""
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.read(int(sys.argv[1]), 1)  # returns when the command has closed its end
    _end_group()
    # Killed processes could not stop the embedded server; the last process to leave it does.
    stop_unused_server(Settings.load())


def _end_group() -> None:
    """End every other process of the group, children of services included."""
    group = os.getpgrp()
    os.killpg(group, signal.SIGTERM)  # the guard itself ignores it
    deadline = time.monotonic() + GRACE_SECONDS
    while others_in(group) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for pid in others_in(group):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def others_in(group: int) -> list[int]:
    """Running processes of the group other than this one."""
    return [pid for pid in _processes() if pid != os.getpid() and _is_in(pid, group)]


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - names


def _is_in(pid: int, group: int) -> bool:
    try:
        if os.getpgid(pid) != group:
            return False
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError, PermissionError):
        return False


if __name__ == "__main__":
    main()
