"""Input files: new arrivals, and which files were seen, claimed and applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cardops.ports.chargebacks import FiledBatches

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date

    from cardops.rules.intake.arrivals import ArrivalPoll
    from cardops.rules.intake.files import (
        Arrival,
        ChargebackBatch,
        DailyCounts,
        FileOutcome,
        FileStatus,
        IntakeFile,
        Kind,
    )
    from cardops.rules.mappings.mapping import FileMapping

# Files listed for a person at most.
MAX_LISTED_FILES: Final = 1_000


class Arrivals(Protocol):
    """New files under `incoming/`, found by listing or by events."""

    def poll(
        self,
        kind: Kind,
        seen_before: Mapping[str, str],
        keys: Collection[str] | None = None,
        *,
        position: str = "",
    ) -> ArrivalPoll:
        """Files of the kind that are complete and not claimed yet, a bounded number.

        `seen_before` and `position` are those of the poll before. With `keys`, only these are looked at:
        those of which an ArrivalWatch told.
        """

    def acknowledge(self, poll: ArrivalPoll) -> None:
        """Everything in `ready` is claimed: its events are acknowledged."""


class ArrivalWatch(Protocol):
    """Tells sooner than a poll that something may have arrived.

    It may miss an arrival and tell of one twice: a listing finds the former, the ledger knows the latter.
    """

    def wait(self, seconds: float) -> Collection[str] | None:
        """Keys that may be new, as soon as there are any; none when so much time has passed.

        None: whatever lies under `incoming/` may be new. Raises ObjectStoreError, ArrivalQueueError.
        """

    def close(self) -> None:
        """End a `wait` of another thread, and what runs in the background."""


class GroupedFiles(Protocol):
    """Files that are ingested together: what is done for each of them is one statement for all."""

    def together(self, intake_ids: Sequence[int]) -> AbstractContextManager[Sequence[IntakeFile]]:
        """Lock those of the files that nobody began, until the block ends; in claim order.

        Left out: files that somebody else has locked, those begun before, however that ended, and
        those whose content was recalled. Waits for nobody.
        """

    def begin_all(self, intake_ids: Sequence[int]) -> None:
        """`begin` each of them, for the first time."""

    def withdraw(self, intake_ids: Sequence[int]) -> None:
        """Undo `begin_all` of files of which nothing is applied, and `share_lake_file`."""

    def share_lake_file(self, intake_ids: Sequence[int]) -> int:
        """From now on, the rows of these files are in the lake file of the first; its intake id."""

    def finish_all(self, outcomes: Mapping[int, FileOutcome]) -> None:
        """`finish` each of them as `applied`, in one commit. Raises FileRecalledError."""

    def writing_lake_file(self, intake_id: int) -> AbstractContextManager[None]:
        """One writer at a time of a lake file that is shared, by the id of its first file."""


class IntakeLedger(GroupedFiles, FiledBatches, Protocol):
    """Which files were seen, claimed and applied, once per (bucket, key, content)."""

    def known_versions(self, bucket: str, keys: Sequence[str]) -> set[tuple[str, str]]:
        """The (key, version) pairs of these keys that are claimed already."""

    def claim(self, arrival: Arrival, business_date: date) -> tuple[IntakeFile, bool]:
        """The file's entry, and whether this call made it. A known file keeps its first date."""

    def claim_all(self, arrivals: Sequence[Arrival], business_date: date) -> Sequence[IntakeFile]:
        """`claim` each of them in one commit; the entries that this call made, in the given order."""

    def refuse(self, arrival: Arrival, business_date: date, outcome: FileOutcome) -> IntakeFile:
        """Claim a file and refuse it in one commit, so that no run ever takes it up."""

    def refused_unread(self, kind: Kind, since: date) -> Sequence[IntakeFile]:
        """Files claimed since that UTC date that were refused before anything read them, by id."""

    def claim_batch(
        self, arrivals: Sequence[Arrival], business_date: date, *, mode: str
    ) -> ChargebackBatch | None:
        """Claim files of one program into one new batch, claimed and sealed in one commit.

        Known files stay in their batch; None when none is new.
        The id is `<program>-<business date>-<number>`, allotted here.
        """

    def find(self, intake_id: int) -> IntakeFile:
        """Raises IntakeFileMissingError."""

    def find_all(
        self,
        kind: Kind,
        *,
        intake_id: int | None = None,
        key: str | None = None,
        content_sha256: str | None = None,
        program: str | None = None,
    ) -> Sequence[IntakeFile]:
        """Files of the kind with this id, key or content, oldest first, of the program if given."""

    def needing_attention(
        self, program: str | None = None, *, with_released: bool = False
    ) -> Sequence[IntakeFile]:
        """Files with rows that wait in quarantine, refused or dead, newest first, at most MAX_LISTED_FILES.

        With `with_released` also files whose quarantined rows were all released.
        """

    def release_counts(self, intake_ids: Sequence[int]) -> Mapping[int, int]:
        """Of each file how many quarantined rows were released, by a person or because their reference came."""

    def released_from(self, origin: IntakeFile) -> Sequence[IntakeFile]:
        """Files made of released rows of this one, oldest first."""

    def recalled(self, kind: Kind, program: str, content_sha256: str) -> IntakeFile | None:
        """The first recalled file of the program with this content, or None."""

    def claimed_on(self, kind: Kind, business_date: date) -> Sequence[IntakeFile]:
        """Files of that kind and date, in claim order, whatever their status."""

    def first_business_date(self) -> date:
        """The date of the first file or of the first program, whichever is earlier; today before both. In UTC."""

    def daily_counts(self, kind: Kind, first: date, last: date) -> Sequence[DailyCounts]:
        """Counts of the kind's files by business date, oldest first; dates without files are absent."""

    def unfinished(self, kind: Kind | None = None) -> Sequence[IntakeFile]:
        """Files claimed or applying, in claim order: also those that a crashed run left behind."""

    def unfinished_before(self, intake_file: IntakeFile) -> Sequence[IntakeFile]:
        """The same of the file's kind and program, claimed before it."""

    def mapping_of(self, intake_file: IntakeFile) -> FileMapping | None:
        """The mapping with which the file is read; None where it is read as the contract says.

        It is the one in force when the file was claimed, or that of the file its rows came from.
        """

    def batch(self, batch_id: str) -> ChargebackBatch:
        """The batch with all its files. Raises BatchMissingError."""

    def batch_mode(self, batch_id: str) -> str:
        """The batch's mode alone. Raises BatchMissingError."""

    def one_session(self) -> AbstractContextManager[None]:
        """The calls of this thread share what a connection costs until the block ends."""

    def exclusively(self, intake_id: int) -> AbstractContextManager[IntakeFile]:
        """Lock the file until the block ends (other holders wait); its current entry."""

    def alone_at(self, place: str) -> AbstractContextManager[None]:
        """Lock a place in a store until the block ends; other holders wait."""

    def begin(self, intake_id: int) -> int:
        """Mark `applying`; returns the attempt's number since the last success, from 1.

        A file whose batch was filed without it goes into a later batch first. Raises FileRecalledError.
        """

    def forget_attempt(self, intake_id: int) -> None:
        """The attempt begun last does not count: the file waited for another."""

    def finish(self, intake_id: int, outcome: FileOutcome) -> None:
        """Record `applied`, or `refused` where the outcome has an error, with its counts.

        Attempts are counted from 1 again. Raises FileRecalledError.
        """

    def mark(self, intake_id: int, status: FileStatus) -> None:
        """Set the status only. The staged rows of a dead or recalled file are dropped with it."""

    def restart(self, intake_id: int) -> None:
        """Mark `claimed`, with attempts counted from 1 again, as a person requested.

        A refused file, of which nothing was applied, is read with the mapping in force from now on.
        Raises FileRecalledError: a recalled file is reinstated instead.
        """

    def reinstate(self, intake_id: int) -> None:
        """The same for any file, also a recalled one, whose deposits are credited again."""

    def wait_for(self, intake_file: IntakeFile, references: Mapping[int, str]) -> None:
        """Record quarantined rows (row number -> id they wait for); replaces earlier ones."""

    def waiting(
        self, kind: Kind, program: str, reference_ids: Sequence[str]
    ) -> Mapping[int, Sequence[int]]:
        """Unreleased rows that wait for one of these ids: intake id -> row numbers."""

    def released(self, rows: Mapping[int, Sequence[int]], released_to: int) -> None:
        """Record that these rows were released because of the file `released_to`."""

    def released_by_hand(self, intake_id: int, row_numbers: Sequence[int]) -> None:
        """Record that a person released these quarantined rows. Repeating it changes nothing."""

    def released_rows(self, intake_id: int) -> frozenset[int]:
        """Numbers of the file's rows that waited and were released into another file."""
