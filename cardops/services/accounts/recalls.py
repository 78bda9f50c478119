"""Take back what a wrong or returned deposit file credited, by negative postings."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from cardops.ports import DepositLedger, IntakeLedger
from cardops.rules.errors import ExplainedError
from cardops.rules.intake.files import FileStatus, IntakeFile, Kind

# A dead file may have been credited in part; one that is still being ingested may finish first.
CREDITED: Final = frozenset({FileStatus.APPLIED, FileStatus.DEAD})


@dataclass(frozen=True, slots=True)
class DepositFileKey:
    """What identifies a deposit file: its intake id, its key under incoming/, or its content."""

    intake_id: int | None = None
    key: str | None = None
    content_sha256: str | None = None
    program: str | None = None


@dataclass(frozen=True, slots=True)
class Recall:
    """The files that were recalled, and the recalled amount in minor units by currency."""

    files: Sequence[IntakeFile]
    totals_minor: dict[str, int]


class RecallRefusedError(ExplainedError):
    """Nothing was recalled; the message says why."""


class RecallService:
    """Recalls deposit files. A file is recalled once: the second time adds no posting."""

    def __init__(self, intake_ledger: IntakeLedger, deposit_ledger: DepositLedger) -> None:
        self._intake_ledger = intake_ledger
        self._ledger = deposit_ledger

    def recall(self, name: str, known: DepositFileKey, recalled_by: str) -> Recall:
        """Recall every deposit of that file; balances may go below zero.

        `name` is what the operator called the file. Raises RecallRefusedError.
        """
        found = self._intake_ledger.find_all(Kind("deposits"), **asdict(known))
        files = _credited(name, found)
        totals: Counter[str] = Counter()
        for intake_file in files:
            for currency, minor in sorted(self._ledger.recall(intake_file, recalled_by).items()):
                totals[currency] += minor
        return Recall(files, dict(totals))


def _credited(name: str, files: Sequence[IntakeFile]) -> Sequence[IntakeFile]:
    credited = [intake_file for intake_file in files if intake_file.status in CREDITED]
    if not credited:
        raise RecallRefusedError(
            f"No deposit file {name} was ever credited, so nothing was recalled; name the file "
            "itself, its key under incoming/ or its intake id."
        )
    programs = sorted({intake_file.arrival.program for intake_file in credited})
    if len(programs) > 1:
        raise RecallRefusedError(
            f"{name} was credited in several programs ({', '.join(programs)}), so nothing was "
            "recalled; choose one with --program."
        )
    return credited
