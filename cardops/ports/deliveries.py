"""Delivery of chargeback files to card companies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import date

    from cardops.rules.deliveries.breakers import Breaker
    from cardops.rules.deliveries.destinations import Destination
    from cardops.rules.deliveries.records import (
        ChargebackFileRecord,
        GivenWord,
        OperatorWord,
        RemoteEntry,
        RemoteStat,
    )


class DeliveryLedger(Protocol):
    """Chargeback files that were made, and the state of each delivery."""

    def allot(self, batch_id: str, network: str, *, destination: str) -> tuple[int, int]:
        """(sequence, previous sequence or 0) of this batch's file; a repeated call returns the same."""

    def record_made(self, record: ChargebackFileRecord) -> None:
        """Record a file's name and hashes. Raises FrozenFileError where others are recorded already."""

    def files_of(self, batch_id: str) -> Sequence[ChargebackFileRecord]:
        """The batch's files by network."""

    def find(self, batch_id: str, network: str) -> ChargebackFileRecord | None:
        """One file's record, or None where the network has no rows in the batch."""

    def record(self, record: ChargebackFileRecord) -> None:
        """Store its state, remote path, attempts, last error and what was encrypted for it."""

    def all(
        self, states: Sequence[str] | None = None, newest: int | None = None
    ) -> Sequence[ChargebackFileRecord]:
        """Records of every batch, newest first; at most so many."""

    def miss_cut_off(self, record: ChargebackFileRecord, cut_off_on: date) -> None:
        """Record that it was not there by that day's cut-off."""

    def record_word(
        self, batch_id: str, network: str, word: OperatorWord | None, said_by: str
    ) -> None:
        """Record for good that this person had the file delivered once more."""

    def words_of(self, batch_id: str, network: str) -> Sequence[GivenWord]:
        """Every such word about the file, in order."""

    def exclusively(
        self, batch_id: str, network: str
    ) -> AbstractContextManager[ChargebackFileRecord | None]:
        """Lock the file until the block ends (others wait); yields its current record."""


class Breakers(Protocol):
    """The circuit breaker of each destination."""

    def find(self, destination: str) -> Breaker:
        """The destination's breaker; a closed one where it never failed."""

    def all(self) -> Mapping[str, Breaker]:
        """The breakers of destinations that ever failed."""

    def change(
        self, destination: str, change: Callable[[Breaker], Breaker]
    ) -> tuple[Breaker, Breaker]:
        """Replace the breaker by what `change` makes of it; (before, after). One change at a time."""


class Readable(Protocol):
    """Bytes to be sent, read once from start to end."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; none at the end."""


class FileDelivery(Protocol):
    """One session with one card company's server.

    Every method may raise TransientDeliveryError (a retry may succeed) or PermanentDeliveryError.
    """

    def stat(self, path: str) -> RemoteStat | None:
        """The file, or None where there is none."""

    def write(self, path: str, content: Readable) -> None:
        """Write the whole file, over any earlier one; it may be partial even if this returns."""

    def read_sha256(self, path: str) -> str | None:
        """Hash of what the server holds, or None where reading is forbidden."""

    def rename(self, source: str, target: str) -> None:
        """Rename without overwriting."""

    def remove(self, path: str) -> None:
        """Remove a temporary file; a missing one is no error."""

    def entries(self, folder: str) -> Sequence[RemoteEntry]:
        """The files in a folder, by name."""

    def read(self, path: str, max_bytes: int) -> bytes:
        """A whole small file. Raises PermanentDeliveryError where it is larger."""

    def close(self) -> None:
        """End the session; never raises."""


class Destinations(Protocol):
    """The card companies' servers; each file gets a session of its own."""

    def connect(self, destination: str) -> FileDelivery:
        """Open a session. Raises DeliveryError, a permanent one where it is not configured."""

    def settings(self, destination: str) -> Destination:
        """What its secret says. Raises PermanentDeliveryError where it is missing or wrong."""

    def neutralises_formulas(self, destination: str) -> bool:
        """Whether texts that a spreadsheet would evaluate are made harmless; true by default."""
