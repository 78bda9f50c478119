"""Garbage collection of short commands: rare."""

import atexit
import gc
from typing import Final

# Dagster is a million objects that live until the end. By default the collector scans them again
# and again during imports, and once more at exit: a third of the time of a short command.
THRESHOLDS: Final = (50_000, 20, 100)


def collect_seldom() -> None:
    """Collect rarely from now on, and not at all at exit.

    Not for services: reference cycles could grow to a million objects there.
    """
    gc.set_threshold(*THRESHOLDS)
    atexit.register(gc.freeze)
