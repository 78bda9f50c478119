"""What ingesting a file needs from outside, and what it returns.

Belongs here: the bundle of ports, the `Applier` of kinds whose rows change more than the lake, and
the result.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from cardops.contracts.kinds.profile import KindProfile
from cardops.ports import (
    Clock,
    IntakeLedger,
    KnownRows,
    Lake,
    ObjectStore,
    Programs,
    SourceControls,
)
from cardops.rules.intake.files import FileOutcome, IntakeFile
from cardops.rules.intake.groups import FileGroup


class Applier(Protocol):
    """Applies the valid rows of a kind outside the lake and returns the outcome of each.

    Everything here may be done again after a crash, and changes nothing the second time.
    """

    def apply(
        self, intake_file: IntakeFile, chunks: Callable[[], Iterable[pl.DataFrame]]
    ) -> pl.DataFrame:
        """Apply rows in file order; `row_number`, `outcome` and lake columns that it fills.

        `chunks` reads the rows from the first one each time it is called.

        outcome: accepted, duplicate, conflicting_duplicate, as in cardops.contracts.judging, or
        recalled_before.
        """

    def apply_together(
        self, group: FileGroup, chunks: Callable[[], Iterable[pl.DataFrame]]
    ) -> pl.DataFrame:
        """The same for the rows of small files, whose row_number is that in the group."""

    def discard_staged(self, intake_file: IntakeFile) -> None:
        """Drop staged rows, of a group by its first file; the lake file is written by now."""


class ApplierMissingError(RuntimeError):
    """A kind's rows cannot be applied by this process: it was given no applier for them."""

    def __init__(self, profile: KindProfile) -> None:
        super().__init__(f"Ingesting {profile.kind} needs an applier for {profile.applied_to}.")


@dataclass(frozen=True, slots=True)
class IntakePorts:
    """The ports of one intake. `appliers`: by the name in a profile's `applied_to`."""

    raw_store: ObjectStore
    failed_store: ObjectStore
    lake: Lake
    intake_ledger: IntakeLedger
    known_rows: KnownRows
    programs: Programs
    source_controls: SourceControls
    clock: Clock
    appliers: Mapping[str, Applier] = field(default_factory=dict)

    def applier(self, profile: KindProfile) -> Applier | None:
        """The applier of a kind; None where its rows are compared with the lake instead.

        Raises ApplierMissingError.
        """
        if profile.applied_to is None:
            return None
        if profile.applied_to not in self.appliers:
            raise ApplierMissingError(profile)
        return self.appliers[profile.applied_to]


@dataclass(frozen=True, slots=True)
class IngestResult:
    """A file, what became of it, and the keys of files made of rows that waited for its rows.

    `kept`: why it was not read again; the outcome is that of the run that read it.
    """

    intake_file: IntakeFile
    outcome: FileOutcome
    released: tuple[str, ...] = ()
    kept: str | None = None
