"""Watches over `cardops up`: when that process is gone, however it went, everything it started is.

It leads the process group that all services are in, and reads a pipe whose other end only the
command holds. At its end the group is told to stop, and what does not is killed.
"""

import os
import signal
import sys
import time
from typing import Final

from cardops.adapters.embedded_postgresql.server import EmbeddedServer
from cardops.settings import Settings

GRACE_SECONDS: Final = 15
POLL_SECONDS: Final = 0.2


def main() -> None:
    """`python -m orchestration.local.guard PIPE`."""
    for harmless in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(harmless, signal.SIG_IGN)
    os.read(int(sys.argv[1]), 1)  # returns when the last writer is gone
    _end_group()
    _end_database(Settings.load())


def _end_group() -> None:
    """Stop every other process of the group, those with children of their own included."""
    group = os.getpgrp()
    os.killpg(group, signal.SIGTERM)  # this process ignores it
    deadline = time.monotonic() + GRACE_SECONDS
    while others_in(group) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    for pid in others_in(group):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def others_in(group: int) -> list[int]:
    """Processes of the group besides this one that have not ended."""
    return [pid for pid in _processes() if pid != os.getpid() and _is_in(pid, group)]


def _end_database(settings: Settings) -> None:
    """Processes that were killed did not stop the embedded server; the last one out does."""
    if settings.database_url is None:
        server = EmbeddedServer(settings.home, settings.postgres_bin)
        server.join()
        server.leave()


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
