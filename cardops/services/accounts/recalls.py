"""Take back what a wrong or returned deposit file credited, by negative postings.

Belongs here: the order of steps. A file is marked recalled before the first posting, so that a crash
in between is visible and nothing of the file is credited any more; a repeat finishes it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cardops.ports import DepositLedger, IntakeLedger, Lake
from cardops.rules.errors import ExplainedError
from cardops.rules.intake.files import FileStatus, IntakeFile
from cardops.services.accounts.deposit_files import (
    DepositFileKey,
    ambiguous_key,
    named_files,
    programs_of,
    related_files,
)
from cardops.services.intake.lake_files import clear_lake_rows


@dataclass(frozen=True, slots=True)
class Recall:
    """The files that were recalled, and the recalled amount in minor units by currency."""

    files: Sequence[IntakeFile]
    totals_minor: dict[str, int]


class RecallRefusedError(ExplainedError):
    """Nothing was recalled; the message says why."""


class RecallService:
    """Recalls deposit files. The second time adds no posting.

    Waits for a run that is ingesting one of them. What was credited is taken back; what was not
    credited yet never will be.
    """

    def __init__(
        self, intake_ledger: IntakeLedger, deposit_ledger: DepositLedger, lake: Lake
    ) -> None:
        self._intake_ledger = intake_ledger
        self._ledger = deposit_ledger
        self._lake = lake

    def recall(self, name: str, known: DepositFileKey, recalled_by: str) -> Recall:
        """Recall every deposit of that file; balances may go below zero.

        `name` is what the operator called the file. Raises RecallRefusedError.
        """
        files = _recallable(name, named_files(self._intake_ledger, known))
        self._mark(related_files(self._intake_ledger, files))
        # A file with the same content may have been claimed before the mark could stop it.
        files = _readable(related_files(self._intake_ledger, files))
        self._mark(files)
        totals: Counter[str] = Counter()
        for intake_file in files:
            totals.update(self._take_back(intake_file, recalled_by))
        return Recall(files, dict(sorted(totals.items())))

    def _mark(self, files: Sequence[IntakeFile]) -> None:
        for intake_file in _readable(files):
            with self._intake_ledger.exclusively(intake_file.intake_id) as current:
                if current.status is not FileStatus.RECALLED:
                    self._intake_ledger.mark(current.intake_id, FileStatus.RECALLED)

    def _take_back(self, intake_file: IntakeFile, recalled_by: str) -> dict[str, int]:
        with self._intake_ledger.exclusively(intake_file.intake_id) as current:
            if current.status is not FileStatus.RECALLED:
                return {}  # reinstated since
            totals = self._ledger.recall(current, recalled_by)
            clear_lake_rows(current, self._lake, self._intake_ledger)
            return dict(totals)


def _recallable(name: str, files: Sequence[IntakeFile]) -> Sequence[IntakeFile]:
    readable = _readable(files)
    if not readable:
        raise RecallRefusedError(
            f"No deposit file {name} was ever credited, so nothing was recalled; name the file "
            "itself, its key under incoming/ or its intake id."
        )
    ambiguity = ambiguous_key(name, readable)
    if ambiguity:
        raise RecallRefusedError(f"{ambiguity}, so nothing was recalled; name one by its id.")
    programs = programs_of(readable)
    if len(programs) > 1:
        raise RecallRefusedError(
            f"{name} was credited in several programs ({', '.join(programs)}), so nothing was "
            "recalled; choose one with --program."
        )
    return readable


def _readable(files: Sequence[IntakeFile]) -> list[IntakeFile]:
    """A refused file credited nothing and never will."""
    return [file for file in files if file.status is not FileStatus.REFUSED]
