"""Files that a run left unfinished: run again after a pause, marked dead after several tries.

Belongs here: which of them are due now. Unfinished means claimed or applying, with no run at work
on it. The pauses are in cardops.rules.intake.retries.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cardops.ports import IntakeLedger, Notifier
from cardops.rules.intake.files import FileStatus, IntakeFile, IntakeFileMissingError
from cardops.rules.intake.retries import MAX_TRIES, Tries

RUNBOOK: Final = "docs/runbooks/intake-file-dead.md"
# An incident's key before the file's id.
DEAD_FILE: Final = "dead-file:"
# More unfinished files than this wait for a later tick.
MAX_UNFINISHED: Final = 200


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """Files to run now, and the tries to remember by intake id until the next plan."""

    due: tuple[IntakeFile, ...]
    tries: Mapping[int, Tries]


@dataclass(frozen=True, slots=True)
class Recovery:
    """Decides about unfinished files; alerts an operator of each that is dead, once."""

    intake_ledger: IntakeLedger
    notifier: Notifier

    def plan(
        self,
        unfinished: Sequence[IntakeFile],
        busy: AbstractSet[int],
        tried: Mapping[int, Tries],
        now: datetime,
    ) -> RecoveryPlan:
        """Which files to run now. `busy`: ids that a run is working on or about to."""
        due: list[IntakeFile] = []
        tries: dict[int, Tries] = {}
        for intake_file in unfinished[:MAX_UNFINISHED]:
            intake_id = intake_file.intake_id
            seen = tried.get(intake_id)
            if seen is None or seen.series != intake_file.attempt_series:
                seen = Tries(0, now.isoformat(), intake_file.attempt_series)
            if intake_id in busy or not seen.is_due(now):
                tries[intake_id] = seen
            elif seen.are_exhausted:
                self.intake_ledger.mark(intake_id, FileStatus.DEAD)
                self._alert(intake_file)
            else:
                tries[intake_id] = seen.next(now)
                due.append(intake_file)
        self._alert_of_dead(set(tried) - {file.intake_id for file in unfinished})
        return RecoveryPlan(tuple(due), tries)

    def _alert_of_dead(self, ended: AbstractSet[int]) -> None:
        """A run may have marked its file dead itself."""
        for intake_id in sorted(ended):
            try:
                intake_file = self.intake_ledger.find(intake_id)
            except IntakeFileMissingError:
                continue
            if intake_file.status is FileStatus.DEAD:
                self._alert(intake_file)

    def _alert(self, intake_file: IntakeFile) -> None:
        self.notifier.notify(
            f"Intake file {intake_file.intake_id} is dead",
            f"The runs of {intake_file.arrival.key} died {MAX_TRIES} times, so it is not tried "
            "again. Read the failed runs, fix the cause, then run "
            f"`cardops quarantine release {intake_file.intake_id}`.",
            runbook=RUNBOOK,
            incident=f"{DEAD_FILE}{intake_file.intake_id}",
        )
