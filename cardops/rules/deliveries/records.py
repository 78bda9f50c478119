"""The record of a chargeback file's delivery, its states, and the errors of a delivery."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class DeliveryState(StrEnum):
    """`sending`: about to be renamed. `delivered_unconfirmed`: a person decides, not a retry."""

    MADE = "made"
    SENDING = "sending"
    DELIVERED = "delivered"
    DELIVERED_UNCONFIRMED = "delivered_unconfirmed"
    FAILED = "failed"


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
    state: DeliveryState = DeliveryState.MADE
    remote_path: str | None = None
    attempt_count: int = 0
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteStat:
    """A file at the card company."""

    size_bytes: int


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


class TransientDeliveryError(DeliveryError):
    """A retry may succeed: no connection, timeout, a server that is busy or full."""


class PermanentDeliveryError(DeliveryError):
    """A retry would fail the same way: credentials, host key, permission, configuration."""


class OperatorWord(StrEnum):
    """What a person found out about a delivery that no retry may decide."""

    RECEIVED = "received"
    SEND_AGAIN = "send_again"


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
