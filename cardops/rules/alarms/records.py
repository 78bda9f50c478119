"""An incident with its history, as operators look at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cardops.rules.alarms.incidents import Incident
from cardops.rules.errors import ExplainedError


class ChannelError(ExplainedError, RuntimeError):
    """A channel did not take an alarm; the message says why and names no secret."""


@dataclass(frozen=True, slots=True)
class IncidentEntry:
    """One line of an incident's history. `actor`: a person, or None for Cardops itself."""

    at: datetime
    event: str
    actor: str | None
    text: str


@dataclass(frozen=True, slots=True)
class UnsentMessage:
    """A channel that has not taken a message yet, and why."""

    channel: str
    event: str
    attempt_count: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """An incident, what happened to it, and who could not be told of it."""

    incident: Incident
    history: Sequence[IncidentEntry] = ()
    unsent: Sequence[UnsentMessage] = ()
