"""What a card company answers about a chargeback file, and what follows from it.

Belongs here: the words, and whether an acknowledgement fits its file. Its JSON is read in
cardops.contracts.acknowledgements.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cardops.rules.errors import ExplainedError

RUNBOOK: Final = "docs/runbooks/acknowledgement-alarms.md"
# The name of the CSV with this behind it; anything else in the folder is left alone.
SUFFIX: Final = ".ack.json"
_SUFFIXES: Final = (SUFFIX, *(f"{SUFFIX}{encrypted}" for encrypted in (".pgp", ".gpg", ".asc")))


class AcknowledgementOutcome(StrEnum):
    """What became of an acknowledgement file: a closed set."""

    # The first that fits its chargeback file: it stands.
    MATCHED = "matched"
    # It says again what the first one said.
    REPEATED = "repeated"
    # It says otherwise than the first one, which stands.
    CONFLICTING = "conflicting"
    # No chargeback file has its sequence and hash.
    UNKNOWN = "unknown"
    # It names its file, and its counts or lines are not those of the file.
    INCONSISTENT = "inconsistent"
    # It is not the JSON that was agreed on.
    UNREADABLE = "unreadable"


class RejectedRows(StrEnum):
    """What becomes of rejected rows: sent once more by themselves, or only when a person says so."""

    REOPEN = "reopen"
    HOLD = "hold"


class UnreadableAcknowledgementError(ExplainedError):
    """An acknowledgement does not have its format; the message says where."""


@dataclass(frozen=True, slots=True, order=True)
class LineKey:
    """What identifies a line of a chargeback file."""

    case_number: str
    stage: str
    action_sequence: int


@dataclass(frozen=True, slots=True, order=True)
class RejectedLine:
    """A line that the card company did not take, and why. `network`: only in files of several."""

    key: LineKey
    code: str
    reason: str
    network: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One acknowledgement as its card company wrote it. `sha256`: of the CSV it received."""

    sequence: int
    sha256: str
    received_at: datetime
    accepted_count: int
    rejected_count: int
    rejected: Sequence[RejectedLine] = ()

    @property
    def verdict_sha256(self) -> str:
        """A hash of what it says, whatever the order of its lines and when it was written."""
        lines = [
            [*_texts(line.key), line.code, line.reason, line.network]
            for line in sorted(self.rejected, key=_order)
        ]
        said = [self.sequence, self.sha256, self.accepted_count, self.rejected_count, lines]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def is_acknowledgement_name(name: str) -> bool:
    """Whether a file of this name is read; one that begins with a dot is still written."""
    return name.endswith(_SUFFIXES) and not name.startswith(".")


def named_by_content(name: str, content_sha256: str) -> str:
    """The name with the content's hash in it, so that the same name may come again."""
    suffix = next(suffix for suffix in _SUFFIXES if name.endswith(suffix))
    return f"{name.removesuffix(suffix)}-{content_sha256[:12]}{suffix}"


def count_problem(acknowledgement: Acknowledgement, row_count: int) -> str | None:
    """Why its counts are not those of a file with so many rows; None where they are."""
    accepted, rejected = acknowledgement.accepted_count, acknowledgement.rejected_count
    if accepted + rejected != row_count:
        return (
            f"it accounts for {accepted} accepted and {rejected} rejected rows, and the file has "
            f"{row_count}"
        )
    if rejected != len(acknowledgement.rejected):
        return f"it counts {rejected} rejected rows and names {len(acknowledgement.rejected)}"
    return None


def line_problem(
    acknowledgement: Acknowledgement, found: Collection[tuple[str, LineKey]]
) -> str | None:
    """Why its rejected lines are not lines of the file; `found` are those that are, by network."""
    named = [(line.network, line.key) for line in acknowledgement.rejected]
    if len(set(named)) != len(named):
        return "it rejects a line twice"
    for network, key in named:
        networks = {own for own, line in found if line == key and network in {None, own}}
        if len(networks) != 1:
            which = f"case {key.case_number}, {key.stage}, {key.action_sequence}"
            return (
                f"it rejects {which}, which is no line of the file"
                if not networks
                else f"it rejects {which}, which several card companies have: it must name the network"
            )
    return None


def _texts(key: LineKey) -> tuple[str, str, int]:
    return key.case_number, key.stage, key.action_sequence


def _order(line: RejectedLine) -> tuple[LineKey, str, str, str]:
    return line.key, line.network or "", line.code, line.reason


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file of a card company's outbound folder, as it was read."""

    destination: str
    file_name: str
    content_sha256: str
    revision: str


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A rejected line with the accepted row behind it. A row that `may_reopen` is sent once more."""

    line: RejectedLine
    network: str
    intake_id: int
    row_number: int
    may_reopen: bool


@dataclass(frozen=True, slots=True)
class StoredAcknowledgement:
    """An acknowledgement file on record. `network` is the slot of its chargeback file."""

    file: ReceivedFile
    outcome: AcknowledgementOutcome
    read_at: datetime
    batch_id: str | None = None
    network: str | None = None
    sequence: int | None = None
    accepted_count: int | None = None
    rejected_count: int | None = None
    received_at: datetime | None = None
    is_late: bool = False
    reopened_to: str | None = None
    problem: str | None = None
    is_alarming: bool = False
    alarmed_at: datetime | None = None


class Verdict(StrEnum):
    """What became of rows of a chargeback file at its card company."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    # No acknowledgement came in time, and none since.
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class AcknowledgedRows:
    """Rows of a chargeback file with the same verdict; `reason_code` of rejected ones."""

    program: str
    batch_id: str
    network: str
    destination: str
    file_name: str
    sequence: int
    verdict: Verdict
    reason_code: str | None
    row_count: int
    delivered_at: datetime
    read_at: datetime | None
    is_late: bool
    reopened_to: str | None


# The acknowledgement that stands, by batch and slot.
Standing = Mapping[tuple[str | None, str | None], StoredAcknowledgement]


def standing(found: Iterable[StoredAcknowledgement]) -> Standing:
    """The acknowledgement that stands of each chargeback file."""
    return {
        (stored.batch_id, stored.network): stored
        for stored in found
        if stored.outcome is AcknowledgementOutcome.MATCHED
    }


def counts_of(stored: StoredAcknowledgement) -> str:
    """How many rows were taken and how many were not, in words."""
    return f"{stored.accepted_count} accepted, {stored.rejected_count} rejected"
