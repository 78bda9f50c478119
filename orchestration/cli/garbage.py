"""How often a short command looks for garbage: seldom."""

import atexit
import gc
from typing import Final

# Dagster is a million objects that stay. By default they are looked through again and again as
# they are imported, and once more at the end: a third of what a short command costs.
THRESHOLDS: Final = (50_000, 20, 100)


def collect_seldom() -> None:
    """From now on, and not at the end of the process, whose memory goes whole.

    Not for a service: what is garbage in circles could grow to a million objects in it.
    """
    gc.set_threshold(*THRESHOLDS)
    atexit.register(gc.freeze)
