"""Acknowledgements as rows of their tables: what is selected, and what is inserted."""

from typing import Any, LiteralString

from cardops.rules.deliveries.acknowledgements import (
    Acknowledgement,
    AcknowledgementOutcome,
    LineKey,
    ReceivedFile,
    RejectedLine,
    RejectedRow,
    StoredAcknowledgement,
)

FileKey = tuple[str, str]

SELECT: LiteralString = (
    "select destination, file_name, content_sha256, revision, outcome, read_at, batch_id, network,"
    " sequence, accepted_count, rejected_count, received_at, is_late, reopened_to, problem,"
    " is_alarming, alarmed_at from acknowledgement_files "
)
OF_FILE: LiteralString = (
    "where destination = %(destination)s and file_name = %(file_name)s"
    " and content_sha256 = %(content_sha256)s"
)


def identity(file: ReceivedFile) -> dict[str, object]:
    """The key of its row."""
    return {
        "destination": file.destination,
        "file_name": file.file_name,
        "content_sha256": file.content_sha256,
    }


def values_of(
    file: ReceivedFile,
    outcome: AcknowledgementOutcome,
    acknowledgement: Acknowledgement | None,
    key: FileKey | None,
) -> dict[str, object]:
    """Its row, as far as it is known before it is compared with the file."""
    said = acknowledgement
    return identity(file) | {
        "revision": file.revision,
        "outcome": outcome.value,
        "batch_id": key[0] if key else None,
        "network": key[1] if key else None,
        "sequence": said.sequence if said else None,
        "verdict_sha256": said.verdict_sha256 if said else None,
        "accepted_count": said.accepted_count if said else None,
        "rejected_count": said.rejected_count if said else None,
        "received_at": said.received_at if said else None,
        "is_late": False,
        "problem": None,
        "is_alarming": False,
    }


def rejection_of(network: str, row: tuple[Any, ...]) -> RejectedRow:
    """A rejected line of a chargeback file."""
    intake_id, row_number, case_number, stage, action_sequence, code, reason = row
    line = RejectedLine(LineKey(case_number, stage, action_sequence), code, reason)
    return RejectedRow(line, network, intake_id, row_number, may_reopen=False)


def stored_of(row: tuple[Any, ...]) -> StoredAcknowledgement:
    """A selected row."""
    destination, file_name, content_sha256, revision, outcome, *rest = row
    file = ReceivedFile(destination, file_name, content_sha256, revision)
    return StoredAcknowledgement(file, AcknowledgementOutcome(outcome), *rest)
