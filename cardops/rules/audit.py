"""Who did what: an entry for each change that a person makes, and what became of it.

Belongs here: the entry. Why money moved stands with the money: limits, recalls, releases and evidence
keep their own records, with reasons and amounts; an entry names the person, the action and its subject.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cardops.rules.errors import ExplainedError

UNKNOWN_PERSON: Final = "unknown (no proxy)"
MAX_SUBJECT_CHARACTERS: Final = 500
MAX_DETAIL_CHARACTERS: Final = 500


class Origin(StrEnum):
    """Where a change was made."""

    UI = "ui"
    COMMAND = "command"
    API = "api"


class AuditResult(StrEnum):
    """What became of it."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A change that is about to be made. `actor` is the person, `via` the account or proxy that says so."""

    origin: Origin
    actor: str
    via: str
    action: str
    subject: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A stored entry. Without `result` its process ended before it could say what became of it."""

    entry_id: int
    at: datetime
    entry: AuditEntry
    result: AuditResult | None
    detail: str


class AuditUnavailableError(ExplainedError):
    """The change was refused, because it could not be recorded."""

    def __init__(self, action: str, reason: object) -> None:
        super().__init__(
            f'Nothing was changed: "{action}" could not be recorded in the audit trail ({reason}). A change that '
            "nobody could trace is refused; check that the database runs (`cardops doctor`), then try again."
        )


def cut(text: str, length: int) -> str:
    """At most so many characters, with a mark where some are missing."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
