"""One incident an alarm: seen often, told seldom, until its cause is gone.

Belongs here: the states of an incident, and what its operators are to be told when. What was told last
is part of the incident, so whoever looks at it later tells what has changed since: a process that
ended between the two, or a pause, delays a message and never loses it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cardops.rules.card_numbers import mask_card_numbers

MAX_SUBJECT_CHARACTERS: Final = 200
MAX_MESSAGE_CHARACTERS: Final = 4_000
MAX_KEY_CHARACTERS: Final = 300
KEY_HASH_CHARACTERS: Final = 16
# An incident that comes and goes is told at most once up and once down in this time.
QUIET: Final = timedelta(minutes=10)
REMIND_EVERY: Final = timedelta(hours=24)
# Money at risk waits for a person for a quarter of the time.
CRITICAL_SHARE: Final = 4


class Severity(StrEnum):
    """How much an incident matters."""

    WARNING = "warning"  # somebody is to see to it on the next working day; it never escalates
    ERROR = "error"  # work stands still
    CRITICAL = "critical"  # money is at risk

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return list(Severity).index(self)


class IncidentState(StrEnum):
    """Where an incident stands."""

    OPEN = "open"  # nobody has said that they see to it
    ACKNOWLEDGED = "acknowledged"  # somebody sees to it
    RESOLVED = "resolved"  # its cause is gone


class IncidentEvent(StrEnum):
    """What operators are told of an incident."""

    OPENED = "opened"
    REOPENED = "reopened"
    WORSENED = "worsened"
    CHANGED = "changed"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Notice:
    """One sighting of an incident. The key says which incident it is."""

    key: str
    subject: str
    message: str
    runbook: str | None = None
    severity: Severity = Severity.ERROR


def notice_of(
    subject: str, message: str, *, runbook: str | None, incident: str | None, severity: Severity
) -> Notice:
    """A notice of bounded length, on one line where that is due, without card numbers."""
    title = mask_card_numbers(" ".join(subject.split()))[:MAX_SUBJECT_CHARACTERS]
    text = mask_card_numbers(message.strip().replace("\x00", ""))[:MAX_MESSAGE_CHARACTERS]
    return Notice(key_of(incident or subject), title, text, runbook, severity)


def key_of(name: str) -> str:
    """The key of the incident of that name: one line of bounded length, without card numbers.

    Whoever ends an incident names it as whoever saw it. Two long names differ in their keys, too.
    """
    key = mask_card_numbers(" ".join(name.split()))
    if len(key) <= MAX_KEY_CHARACTERS:
        return key
    end = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:KEY_HASH_CHARACTERS]
    return f"{key[: MAX_KEY_CHARACTERS - len(end) - 1]}#{end}"


def named(names: Sequence[str]) -> str:
    """The first, and how many more: for a subject that differs where others are meant.

    A subject with a number alone is the same for one dispute today and another one tomorrow, and who was
    told of the first would not be told of the second.
    """
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


@dataclass(frozen=True, slots=True)
class AlarmPolicy:
    """How long an incident may stay open before it escalates."""

    escalate_after: timedelta = timedelta(minutes=60)

    def escalates_at(self, incident: "Incident") -> datetime | None:
        """When an open incident is told again, louder; None where it never is."""
        if incident.state is not IncidentState.OPEN or incident.severity is Severity.WARNING:
            return None
        if incident.escalated_at is not None:
            return incident.escalated_at + REMIND_EVERY
        is_critical = incident.severity is Severity.CRITICAL
        share = CRITICAL_SHARE if is_critical else 1
        return incident.opened_at + self.escalate_after / share


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as it stands, and what was told of it last (`told_*`)."""

    key: str
    subject: str
    message: str
    runbook: str | None
    severity: Severity
    state: IncidentState
    first_seen_at: datetime
    opened_at: datetime
    last_seen_at: datetime
    seen_count: int = 1
    opened_count: int = 1
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    note: str | None = None
    escalated_at: datetime | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    resolution: str | None = None
    told_event: IncidentEvent | None = None
    told_at: datetime | None = None
    told_severity: Severity | None = None
    told_subject: str | None = None
    incident_id: int = 0


def sighted(incident: Incident | None, notice: Notice, now: datetime) -> Incident:
    """The incident after one more sighting: new, updated, or open again."""
    if incident is None:
        return Incident(
            key=notice.key,
            subject=notice.subject,
            message=notice.message,
            runbook=notice.runbook,
            severity=notice.severity,
            state=IncidentState.OPEN,
            first_seen_at=now,
            opened_at=now,
            last_seen_at=now,
        )
    updated = replace(
        incident,
        subject=notice.subject,
        message=notice.message,
        runbook=notice.runbook,
        severity=notice.severity,
        last_seen_at=now,
        seen_count=incident.seen_count + 1,
    )
    if incident.state is IncidentState.RESOLVED:
        return replace(_unattended(updated, now), opened_count=incident.opened_count + 1)
    # Who acknowledged it did not know how bad it would become.
    is_worse = notice.severity.rank > incident.severity.rank
    return _unattended(updated, now) if is_worse else updated


def acknowledged(incident: Incident, by: str, note: str | None, now: datetime) -> Incident:
    """Somebody sees to it: it does not escalate."""
    return replace(
        incident,
        state=IncidentState.ACKNOWLEDGED,
        acknowledged_by=by,
        acknowledged_at=now,
        note=note,
    )


def resolved(incident: Incident, by: str | None, why: str, now: datetime) -> Incident:
    """Its cause is gone. `by`: the person who says so; None where Cardops found out itself."""
    return replace(
        incident,
        state=IncidentState.RESOLVED,
        resolved_by=by,
        resolved_at=now,
        resolution=mask_card_numbers(why)[:MAX_MESSAGE_CHARACTERS],
    )


def due_event(incident: Incident, now: datetime, policy: AlarmPolicy) -> IncidentEvent | None:
    """What is to be told now; None where operators know how it stands, or are to have a pause."""
    if incident.told_event is None:
        return IncidentEvent.OPENED
    was_over = incident.told_event is IncidentEvent.RESOLVED
    if incident.state is IncidentState.RESOLVED:
        return None if was_over else IncidentEvent.RESOLVED
    is_quiet = incident.told_at is not None and now < incident.told_at + QUIET
    if was_over:
        return None if is_quiet else IncidentEvent.REOPENED
    if incident.told_severity and incident.severity.rank > incident.told_severity.rank:
        return IncidentEvent.WORSENED
    at = policy.escalates_at(incident)
    if at is not None and now >= at:
        return IncidentEvent.ESCALATED
    is_other = incident.subject != incident.told_subject
    return IncidentEvent.CHANGED if is_other and not is_quiet else None


def told(incident: Incident, event: IncidentEvent, now: datetime) -> Incident:
    """The incident after that was told. One that is told late escalates from then on, not at once."""
    is_news = event in {IncidentEvent.OPENED, IncidentEvent.REOPENED}
    return replace(
        incident,
        opened_at=now if is_news else incident.opened_at,
        told_event=event,
        told_at=now,
        told_severity=incident.severity,
        told_subject=incident.subject,
        escalated_at=now if event is IncidentEvent.ESCALATED else incident.escalated_at,
    )


def look_at(incident: Incident, policy: AlarmPolicy) -> datetime | None:
    """When there is something to tell though nobody sees it again; None where never."""
    escalation = policy.escalates_at(incident)
    was_over = incident.told_event is IncidentEvent.RESOLVED
    is_over = incident.state is IncidentState.RESOLVED
    differs = was_over != is_over or (not is_over and incident.subject != incident.told_subject)
    if incident.told_at is None or not differs:
        return escalation
    after_pause = incident.told_at + QUIET
    return after_pause if escalation is None else min(after_pause, escalation)


def _unattended(incident: Incident, now: datetime) -> Incident:
    return replace(
        incident,
        state=IncidentState.OPEN,
        opened_at=now,
        acknowledged_by=None,
        acknowledged_at=None,
        note=None,
        escalated_at=None,
        resolved_by=None,
        resolved_at=None,
        resolution=None,
    )
