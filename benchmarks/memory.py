"""The most memory that this process ever had."""

import resource
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")


def peak_mb() -> float:
    """In MB. On Linux from the kernel's own mark of this program.

    `ru_maxrss` is no measure there: a started program inherits that of the process that started it.
    """
    if _STATUS.exists():
        lines = _STATUS.read_text("ascii").splitlines()
        (mark,) = (line for line in lines if line.startswith("VmHWM:"))
        return int(mark.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
