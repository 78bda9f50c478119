"""Input files: which have arrived, and which were claimed and applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date

    from cardops.rules.intake.arrivals import ArrivalPoll
    from cardops.rules.intake.files import (
        Arrival,
        ChargebackBatch,
        FileOutcome,
        FileStatus,
        IntakeFile,
        Kind,
    )


class Arrivals(Protocol):
    """New files under `incoming/`, whether found by listing or told of by events."""

    def look(self, kind: Kind, seen_before: Mapping[str, str]) -> ArrivalPoll:
        """Files of the kind that are complete and not claimed yet, a bounded number."""

    def forget(self, look: ArrivalPoll) -> None:
        """Everything in `ready` is claimed: its events need not be told again."""


class IntakeLedger(Protocol):
    """Which files were seen, claimed and applied, once per (bucket, key, content)."""

    def known_versions(self, bucket: str, keys: Sequence[str]) -> set[tuple[str, str]]:
        """The (key, version) pairs among these keys that are claimed already."""

    def claim(self, arrival: Arrival, business_date: date) -> tuple[IntakeFile, bool]:
        """The file's entry, and whether this call made it. A known file keeps its first date."""

    def claim_batch(
        self, arrivals: Sequence[Arrival], business_date: date, *, mode: str
    ) -> ChargebackBatch | None:
        """Claim chargeback files of one program into one new batch, claimed and sealed at once.

        Files known already are left where they are; None when none of them is new.
        The id is `<program>-<business date>-<number>`, allotted here.
        """

    def find(self, intake_id: int) -> IntakeFile:
        """Raises IntakeFileMissingError."""

    def claimed_on(self, kind: Kind, business_date: date) -> Sequence[IntakeFile]:
        """Files of that kind and date, in claim order, whatever their status."""

    def unfinished(self, kind: Kind | None = None) -> Sequence[IntakeFile]:
        """Files claimed or applying: what a crashed run left behind."""

    def batch(self, batch_id: str) -> ChargebackBatch:
        """Raises BatchMissingError."""

    def exclusively(self, intake_id: int) -> AbstractContextManager[IntakeFile]:
        """Hold the file alone until the block ends (other holders wait); its fresh entry."""

    def begin(self, intake_id: int) -> int:
        """Mark `applying`; returns the attempt's number, from 1."""

    def finish(self, intake_id: int, outcome: FileOutcome) -> None:
        """Record `applied`, or `refused` where the outcome has an error, with its counts."""

    def mark(self, intake_id: int, status: FileStatus) -> None:
        """Set a status alone, e.g. `dead` after repeated crashes."""

    def wait_for(self, intake_file: IntakeFile, references: Mapping[int, str]) -> None:
        """Remember quarantined rows (row number -> id they wait for); replaces earlier ones."""

    def waiting(
        self, kind: Kind, program: str, reference_ids: Sequence[str]
    ) -> Mapping[int, Sequence[int]]:
        """Unreleased rows that wait for one of these ids: intake id -> row numbers."""

    def released(self, rows: Mapping[int, Sequence[int]], released_to: int) -> None:
        """Record that these rows were taken up again by the file `released_to`."""
