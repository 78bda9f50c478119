"""How far a chargeback file has come on its way to its card company, in one word.

Belongs here: the word, made from the delivery's record and the acknowledgement that stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cardops.rules.deliveries.acknowledgements import StoredAcknowledgement, counts_of
from cardops.rules.deliveries.records import ChargebackFileRecord, DeliveryState


class Progress(StrEnum):
    """A closed set, as an operator reads it."""

    NOT_MADE = "not made yet"
    NO_FILE = "no file"
    MADE = "made"
    SENDING = "sending"
    LATE = "late"
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"
    DELIVERED = "delivered"
    UNANSWERED = "no answer in time"
    ACKNOWLEDGED = "acknowledged"
    PARTLY_REJECTED = "partly rejected"
    REJECTED = "rejected"


# Those with which somebody has to do something.
NEEDS_PERSON: Final = frozenset(
    {
        Progress.LATE,
        Progress.FAILED,
        Progress.UNCONFIRMED,
        Progress.UNANSWERED,
        Progress.PARTLY_REJECTED,
        Progress.REJECTED,
    }
)
_BY_STATE: Final[Mapping[DeliveryState, Progress]] = {
    DeliveryState.MADE: Progress.MADE,
    DeliveryState.SENDING: Progress.SENDING,
    DeliveryState.FAILED: Progress.FAILED,
    DeliveryState.DELIVERED_UNCONFIRMED: Progress.UNCONFIRMED,
}


@dataclass(frozen=True, slots=True)
class FileProgress:
    """Of one batch and network; `detail` says what is behind the word, and may be empty."""

    progress: Progress
    detail: str = ""


def progress_of(
    record: ChargebackFileRecord, answer: StoredAcknowledgement | None, *, is_unanswered: bool
) -> FileProgress:
    """`answer` is the acknowledgement that stands; `is_unanswered`: it was due and did not come."""
    if record.state is DeliveryState.DELIVERED:
        return _of_delivered(record, answer, is_unanswered=is_unanswered)
    if record.missed_cut_off_on is not None:
        missed = f"missed the cut-off of {record.missed_cut_off_on}"
        why = f": {record.last_error}" if record.last_error else ""
        return FileProgress(Progress.LATE, f"{missed}{why}")
    return FileProgress(_BY_STATE[record.state], record.last_error or _rows(record))


def _of_delivered(
    record: ChargebackFileRecord, answer: StoredAcknowledgement | None, *, is_unanswered: bool
) -> FileProgress:
    if answer is None:
        word = Progress.UNANSWERED if is_unanswered else Progress.DELIVERED
        return FileProgress(word, _rows(record))
    if not answer.rejected_count:
        return FileProgress(Progress.ACKNOWLEDGED, counts_of(answer))
    word = Progress.PARTLY_REJECTED if answer.accepted_count else Progress.REJECTED
    return FileProgress(word, counts_of(answer))


def _rows(record: ChargebackFileRecord) -> str:
    at = f", {record.delivered_at:%Y-%m-%d %H:%M} UTC" if record.delivered_at else ""
    return f"{record.row_count} rows{at}"
