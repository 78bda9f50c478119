"""Acknowledgements of chargeback files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from cardops.rules.deliveries.acknowledgements import (
        AcknowledgedRows,
        Acknowledgement,
        AcknowledgementOutcome,
        ReceivedFile,
        RejectedRow,
        StoredAcknowledgement,
    )

    FileKey = tuple[str, str]


class Acknowledgements(Protocol):
    """Acknowledgements on record, each once, and what they changed.

    A chargeback file is named by its batch and its slot.
    """

    def polling(self, destination: str) -> AbstractContextManager[None]:
        """One at a time reads a destination's folder."""

    def polled(self, destination: str, error: str | None) -> str | None:
        """Record that the folder was read, or why it was not; the error before, None at first."""

    def read_before(
        self, destination: str, names: Sequence[str]
    ) -> Mapping[str, StoredAcknowledgement]:
        """By file name, what was recorded last of these."""

    def files_with(self, destinations: Sequence[str], sequence: int) -> Sequence[FileKey]:
        """The chargeback files of these destinations with that number."""

    def record(
        self,
        file: ReceivedFile,
        acknowledgement: Acknowledgement,
        key: FileKey,
        rows: Sequence[RejectedRow],
        *,
        within: timedelta,
    ) -> StoredAcknowledgement:
        """Record an acknowledgement that fits; the same one again returns what is on record.

        In one transaction: the first one stands, settles the delivery, and its rejected rows wait, or
        go into a later batch. One that was read before within that time of the delivery is late.
        """

    def record_unmatched(
        self,
        file: ReceivedFile,
        outcome: AcknowledgementOutcome,
        problem: str,
        *,
        acknowledgement: Acknowledgement | None = None,
        key: FileKey | None = None,
        is_alarming: bool = True,
    ) -> StoredAcknowledgement:
        """Record one that fits no chargeback file; again: what is on record, which may alarm now."""

    def unalarmed(self, destination: str) -> Sequence[StoredAcknowledgement]:
        """Those about which nobody was told yet."""

    def alarmed(self, file: ReceivedFile) -> None:
        """An alarm of it was sent."""

    def missing(self, destinations: Sequence[str], within: timedelta) -> Sequence[FileKey]:
        """Files that none came of within that time, and of which no alarm was sent yet.

        Files that were due before the folder was read for the first time do not count.
        """

    def missing_alarmed(self, key: FileKey) -> None:
        """An alarm of it was sent."""

    def since(self, instant: datetime) -> Sequence[StoredAcknowledgement]:
        """Those that were read since then, newest first. Never cut."""

    def of_batches(self, batch_ids: Sequence[str]) -> Sequence[StoredAcknowledgement]:
        """Those of the files of these batches, newest first."""

    def rejections(self, batch_id: str, network: str) -> Sequence[RejectedRow]:
        """The rejected lines of a chargeback file."""

    def verdicts(self, first: datetime, end: datetime) -> Sequence[AcknowledgedRows]:
        """Rows by verdict, of files whose acknowledgement was read from `first` until before `end`.

        And of files that had none in time and none before `end`.
        """
