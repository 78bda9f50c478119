"""Files that a run left unfinished: taken up again after a pause, given up after several tries.

Belongs here: which of them are due. Unfinished means claimed or applying, with no run at it.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cardops.ports import IntakeLedger, Notifier
from cardops.rules.intake.files import FileStatus, IntakeFile, IntakeFileMissingError
from sensors.cursor import MAX_TRIES, Tries

RUNBOOK: Final = "docs/runbooks/intake-file-dead.md"
# More unfinished files than this wait for a later tick.
MAX_UNFINISHED: Final = 200


@dataclass
class Recovery:
    """One tick's decision about unfinished files; `tries` is what to remember of it."""

    intake_ledger: IntakeLedger
    notifier: Notifier
    now: datetime
    tries: dict[int, Tries] = field(default_factory=dict)

    def due(
        self, unfinished: Sequence[IntakeFile], busy: AbstractSet[int], tried: Mapping[int, Tries]
    ) -> list[IntakeFile]:
        """Those to run now. `busy`: ids that a run is at, or is about to be."""
        due = []
        for intake_file in unfinished[:MAX_UNFINISHED]:
            intake_id = intake_file.intake_id
            seen = tried.get(intake_id, Tries(0, self.now.isoformat()))
            if intake_id in busy or not seen.is_due(self.now):
                self.tries[intake_id] = seen
            elif seen.count >= MAX_TRIES:
                self.intake_ledger.mark(intake_id, FileStatus.DEAD)
                self._tell(intake_file)
            else:
                self.tries[intake_id] = Tries(seen.count + 1, self.now.isoformat())
                due.append(intake_file)
        self._tell_of_the_dead(set(tried) - {one.intake_id for one in unfinished})
        return due

    def _tell_of_the_dead(self, ended: AbstractSet[int]) -> None:
        """A file may have been given up by the run itself."""
        for intake_id in sorted(ended):
            try:
                intake_file = self.intake_ledger.find(intake_id)
            except IntakeFileMissingError:
                continue
            if intake_file.status is FileStatus.DEAD:
                self._tell(intake_file)

    def _tell(self, intake_file: IntakeFile) -> None:
        self.notifier.notify(
            f"Intake file {intake_file.intake_id} is dead",
            f"{intake_file.arrival.key} brought its runs down {MAX_TRIES} times and is not tried "
            "again by itself; read the failed runs, mend the cause, and submit the file again.",
            runbook=RUNBOOK,
        )
