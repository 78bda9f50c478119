"""Files that the intake worker has claimed and that wait for their run.

Belongs here: which of them are the next run. Who claims and who ingests is in `intake_worker`.
"""

import time
from collections import deque
from collections.abc import Sequence

from cardops.rules.intake.files import IntakeFile, Kind
from sensors.intake import MAX_FILES_A_RUN, partition_of


class Backlog:
    """Files of some kinds that are claimed and wait for a run: kinds take turns, each in claim order.

    Not safe for threads: the track's condition guards it.
    """

    def __init__(self) -> None:
        self._files: dict[Kind, deque[tuple[IntakeFile, float]]] = {}
        self.count = 0

    def add(self, kind: Kind, files: Sequence[IntakeFile]) -> None:
        """These files were claimed just now."""
        now = time.monotonic()
        self._files.setdefault(kind, deque()).extend((file, now) for file in files)
        self.count += len(files)

    def ids(self) -> set[int]:
        """The files that wait."""
        return {file.intake_id for files in self._files.values() for file, _ in files}

    def take(self) -> tuple[Kind, list[IntakeFile], float]:
        """The files of the next run, all of one partition, and for how many seconds the first has waited."""
        kind = next(kind for kind, files in self._files.items() if files)
        waiting = self._files.pop(kind)
        self._files[kind] = waiting  # it comes last the next time
        first, since = waiting[0]
        taken: list[IntakeFile] = []
        while (
            waiting
            and len(taken) < MAX_FILES_A_RUN
            and partition_of(waiting[0][0]) == partition_of(first)
        ):
            taken.append(waiting.popleft()[0])
        self.count -= len(taken)
        return kind, taken, time.monotonic() - since
