"""Shifts the wall clock of an authorizer's process by the seconds in a file, read at every look.

Used by `python -c COMMAND`; monotonic time, by which deadlines run, stays as it is.
"""

import datetime as dt
import os
import time
from pathlib import Path

import cardops.adapters.clock
from tests.servers.authorizer_process import CLI

FILE = "CARDOPS_TEST_CLOCK_SHIFT"
COMMAND = f"from tests.servers.shifted_clock import install; install(); {CLI}"


def install() -> None:
    path = Path(os.environ[FILE])

    def shift() -> float:
        return float(path.read_text() or 0)

    class Shifted(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return dt.datetime.now(tz) + dt.timedelta(seconds=shift())

    real_time, real_time_ns = time.time, time.time_ns
    cardops.adapters.clock.datetime = Shifted  # type: ignore[misc,attr-defined]
    time.time = lambda: real_time() + shift()
    time.time_ns = lambda: real_time_ns() + int(shift() * 1e9)
