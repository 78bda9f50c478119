"""The record of a chargeback file's delivery, its states, and the errors of a delivery."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from cardops.rules.deliveries.troubles import Trouble, advice


class DeliveryState(StrEnum):
    """`sending`: about to be renamed. `delivered_unconfirmed`: a person decides, not a retry."""

    MADE = "made"
    SENDING = "sending"
    DELIVERED = "delivered"
    DELIVERED_UNCONFIRMED = "delivered_unconfirmed"
    FAILED = "failed"


# gpg's own habit for a binary message.
ENCRYPTED_SUFFIX: Final = ".pgp"
# A delivery goes on by itself from these; from the others it needs nothing, or a person.
UNDELIVERED: Final = frozenset({DeliveryState.MADE, DeliveryState.SENDING})


@dataclass(frozen=True, slots=True)
class ChargebackFileRecord:
    """One chargeback file of a batch, whose bytes are frozen: its name, control totals and hashes.

    `network` is a card company or, for a size-balanced batch, the slot's partition key.
    `destination` is the receiver; sequences count per destination.
    """

    batch_id: str
    network: str
    program: str
    destination: str
    sequence: int
    file_name: str
    row_count: int
    totals_minor: Mapping[str, int]
    content_sha256: str
    control_sha256: str
    # Of the archive of evidence beside the CSV, where there is one.
    evidence_sha256: str | None = None
    state: DeliveryState = DeliveryState.MADE
    remote_path: str | None = None
    attempt_count: int = 0
    last_error: str | None = None
    # Of the CSV, its control file and its evidence as they are sent, where the destination wants
    # OpenPGP; all are encrypted for the certificate with that fingerprint.
    encrypted_sha256: str | None = None
    encrypted_control_sha256: str | None = None
    encrypted_evidence_sha256: str | None = None
    encrypted_for: str | None = None
    # The card company's business day for which the delivered file counts, where it has a cut-off.
    counts_on: date | None = None
    made_at: datetime | None = field(default=None, compare=False)
    delivered_at: datetime | None = field(default=None, compare=False)
    # The last cut-off that it missed and an alarm was raised about.
    missed_cut_off_on: date | None = field(default=None, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the CSV, of its control file and, where it has one, of its evidence."""
        control = f"{self.file_name}.ctl"
        if self.evidence_sha256 is None:
            return self.file_name, control
        return self.file_name, control, evidence_name(self.file_name)

    @property
    def hashes(self) -> tuple[str, ...]:
        """Their hashes."""
        found = (self.content_sha256, self.control_sha256, self.evidence_sha256)
        return tuple(sha256 for sha256 in found if sha256 is not None)

    @property
    def sent_names(self) -> tuple[str, ...]:
        """Their names at the card company."""
        suffix = ENCRYPTED_SUFFIX if self.encrypted_for else ""
        return tuple(f"{name}{suffix}" for name in self.names)

    @property
    def sent_hashes(self) -> tuple[str, ...]:
        """Their hashes as they are sent."""
        encrypted = (
            self.encrypted_sha256,
            self.encrypted_control_sha256,
            self.encrypted_evidence_sha256,
        )
        found = tuple(sha256 for sha256 in encrypted if sha256 is not None)
        return found if len(found) == len(self.hashes) else self.hashes


def evidence_name(file_name: str) -> str:
    """The archive beside a chargeback file: `CB_visa_…_v2.csv` -> `CB_visa_…_v2_evidence.zip`."""
    return f"{file_name.removesuffix('.csv')}_evidence.zip"


@dataclass(frozen=True, slots=True)
class RemoteStat:
    """A file at the card company."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """A file in a folder of the card company; `revision`: its size and the time of its last change."""

    name: str
    revision: str


class FrozenFileError(Exception):
    """A chargeback file was made again with different bytes; nothing was changed."""

    def __init__(self, file_name: str) -> None:
        super().__init__(
            f"{file_name} was recorded with other bytes than those just made. A sealed batch never "
            "changes: find out which input or rule changed before anything is delivered."
        )


class FileNotMadeError(LookupError):
    """A delivery was recorded of a chargeback file that was never made."""

    def __init__(self, batch_id: str, network: str) -> None:
        super().__init__(f"Batch {batch_id} has no file for {network} on record.")


class DeliveryError(Exception):
    """A file could not be delivered to a card company; the message is one sentence."""

    def __init__(self, message: str, trouble: Trouble = Trouble.OTHER) -> None:
        super().__init__(message)
        self.trouble = trouble

    def explained(self, destination: str) -> str:
        """What happened, and what to do about it."""
        return f"{self} {advice(self.trouble, destination)}"


class TransientDeliveryError(DeliveryError):
    """A retry may succeed: no connection, timeout, a server that is busy or full."""


class PermanentDeliveryError(DeliveryError):
    """A retry would fail the same way: credentials, host key, permission, configuration."""


def too_large(destination: str, path: str, max_bytes: int) -> PermanentDeliveryError:
    """The error of a file that is larger than what is read whole."""
    return PermanentDeliveryError(
        f"{destination}: {path} is larger than {max_bytes:,} bytes and was not read.", Trouble.OTHER
    )


class OperatorWord(StrEnum):
    """What a person found out about a delivery that no retry may decide."""

    RECEIVED = "received"
    SEND_AGAIN = "send_again"


@dataclass(frozen=True, slots=True)
class GivenWord:
    """A delivery that a person asked for: `word` is an OperatorWord, or `retry` without one."""

    word: str
    said_by: str
    said_at: datetime


class OperatorWordNeededError(ValueError):
    """A delivery is unconfirmed, and the operator did not say what became of it."""


def state_for_retry(state: DeliveryState, word: OperatorWord | None) -> DeliveryState:
    """The state from which a retry continues.

    A recorded intent is never withdrawn here: only an unconfirmed delivery may be sent again, and
    only where a person says so. Raises OperatorWordNeededError.
    """
    match state:
        case DeliveryState.DELIVERED_UNCONFIRMED if word is None:
            raise OperatorWordNeededError(
                "This file may have been collected. Ask the card company, then repeat the command with "
                "--received or --send-again."
            )
        case DeliveryState.DELIVERED_UNCONFIRMED if word is OperatorWord.RECEIVED:
            return DeliveryState.DELIVERED
        case DeliveryState.DELIVERED_UNCONFIRMED | DeliveryState.FAILED:
            return DeliveryState.MADE
        case _:
            return state
