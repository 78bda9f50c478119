"""What taking a file in needs from the outside, together.

Belongs here: the bundle of ports and the result. Nothing here knows Dagster.
"""

from dataclasses import dataclass

from cardops.ports import Clock, DepositLedger, IntakeLedger, Lake, ObjectStore, Programs
from cardops.rules.intake.files import FileOutcome, IntakeFile


@dataclass(frozen=True, slots=True)
class IntakePorts:
    """The ports of one intake; only deposits have a ledger of their own."""

    raw_store: ObjectStore
    failed_store: ObjectStore
    lake: Lake
    intake_ledger: IntakeLedger
    programs: Programs
    clock: Clock
    deposit_ledger: DepositLedger | None = None


@dataclass(frozen=True, slots=True)
class IngestResult:
    """A file, what became of it, and the keys of files made of rows that had waited for it."""

    intake_file: IntakeFile
    outcome: FileOutcome
    released: tuple[str, ...] = ()
