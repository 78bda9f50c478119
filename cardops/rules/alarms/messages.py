"""What is sent to operators of an incident, and when it is tried again.

Belongs here: the words around a notice, and the pauses of a channel that fails.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cardops.rules.alarms.incidents import Incident, IncidentEvent, Severity

# The log and alarms.jsonl; every instance has it.
FILE_CHANNEL: Final = "file"
TOPIC_CHANNEL: Final = "sns"
# Channels that need no URL.
RESERVED: Final = frozenset({FILE_CHANNEL, TOPIC_CHANNEL})
# The name of the secret with the URLs of the others, and what a channel for escalations alone says there.
CHANNELS_SECRET: Final = "alarm-channels"  # noqa: S105 - its name
ESCALATED: Final = "escalated"
# Longer than any channel needs: another process sends what a process that ended has left.
CLAIMED_FOR: Final = timedelta(minutes=2)
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=1)
# After that a channel has failed for three days; `cardops alarms list` says so from the first failure on.
MAX_ATTEMPTS: Final = 78
_PREFIXES: Final = {
    IncidentEvent.OPENED: "",
    IncidentEvent.REOPENED: "Again: ",
    IncidentEvent.WORSENED: "Worse: ",
    IncidentEvent.CHANGED: "Changed: ",
    IncidentEvent.ESCALATED: "Nobody has acknowledged: ",
    IncidentEvent.RESOLVED: "Resolved: ",
}


@dataclass(frozen=True, slots=True)
class AlarmMessage:
    """One message to one channel."""

    message_id: int
    incident_id: int
    incident: str
    channel: str
    event: IncidentEvent
    severity: Severity
    subject: str
    message: str
    runbook: str | None
    told_at: datetime
    attempt_count: int = 0

    @property
    def body(self) -> str:
        """The text of an e-mail."""
        lines = [self.message, f"Severity: {self.severity}."]
        if self.runbook:
            lines.append(f"Runbook: {self.runbook}")
        if self.incident_id and self.event is not IncidentEvent.RESOLVED:
            lines.append(
                f"`cardops alarms ack {self.incident_id} --note TEXT` says that you see to it; "
                f"`cardops alarms show {self.incident_id}` tells all of it."
            )
        return "\n\n".join(lines)


def subject_of(incident: Incident, event: IncidentEvent) -> str:
    """The subject with what is new of it."""
    return _PREFIXES[event] + incident.subject


def text_of(incident: Incident, event: IncidentEvent) -> str:
    """What a message says: what its entry says, and who ended it."""
    by = incident.resolved_by if event is IncidentEvent.RESOLVED else None
    return entry_of(incident, event) + (f" ({by})" if by else "")


def entry_of(incident: Incident, event: IncidentEvent) -> str:
    """What the history says beside who did it; of an incident that was seen more than once, since when and how often."""
    if event is IncidentEvent.RESOLVED:
        return str(incident.resolution)
    if incident.seen_count == 1:
        return incident.message
    return (
        f"{incident.message} (Seen {incident.seen_count} times since "
        f"{incident.first_seen_at:%Y-%m-%d %H:%M} UTC.)"
    )


def pause_after(attempt_count: int) -> timedelta | None:
    """How long to wait after so many failed attempts; None where no other follows."""
    if attempt_count >= MAX_ATTEMPTS:
        return None
    doublings = min(attempt_count - 1, 10)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
