"""A chargeback file's way to a card company: what is on record about it, and what can go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class DeliveryState(StrEnum):
    """`sending`: the intent is on record. `delivered_unconfirmed`: a person decides, not a retry."""

    MADE = "made"
    SENDING = "sending"
    DELIVERED = "delivered"
    DELIVERED_UNCONFIRMED = "delivered_unconfirmed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ChargebackFileRecord:
    """One chargeback file of a batch, with bytes frozen: its name, control totals and hashes.

    `network` is a card company or, for a size-balanced batch, the slot's partition key.
    `destination` is whom it goes to; sequences count per destination.
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
    """A chargeback file was made again with other bytes than those on record; nothing is changed."""

    def __init__(self, file_name: str) -> None:
        super().__init__(
            f"{file_name} is on record with other bytes than those just made. A sealed batch never "
            "changes: find out which input or rule did before anything is delivered."
        )


class FileNotMadeError(LookupError):
    """A delivery was recorded of a chargeback file that was never made."""

    def __init__(self, batch_id: str, network: str) -> None:
        super().__init__(f"Batch {batch_id} has no file for {network} on record.")


class DeliveryError(Exception):
    """A card company's server could not be served; the message is one sentence."""


class TransientDeliveryError(DeliveryError):
    """Worth another try: no connection, time-out, a server that is busy or full."""


class PermanentDeliveryError(DeliveryError):
    """Another try would fail alike: credentials, host key, permission, configuration."""


class OperatorWord(StrEnum):
    """What a person found out about a delivery that no retry may decide."""

    RECEIVED = "received"
    SEND_AGAIN = "send_again"


class OperatorWordNeededError(ValueError):
    """A delivery is unconfirmed, and nobody said what became of it."""


def state_for_retry(state: DeliveryState, word: OperatorWord | None) -> DeliveryState:
    """The state from which a retry goes on.

    An intent on record is never withdrawn here: only an unconfirmed delivery may be sent again,
    and only where a person says so. Raises OperatorWordNeededError.
    """
    match state:
        case DeliveryState.DELIVERED_UNCONFIRMED if word is None:
            raise OperatorWordNeededError(
                "This file may have been collected. Ask the card company, then say --received or "
                "--send-again."
            )
        case DeliveryState.DELIVERED_UNCONFIRMED if word is OperatorWord.RECEIVED:
            return DeliveryState.DELIVERED
        case DeliveryState.DELIVERED_UNCONFIRMED | DeliveryState.FAILED:
            return DeliveryState.MADE
        case _:
            return state
