"""Incidents in memory, with their history and messages, as PostgreSQL keeps them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from typing_extensions import override

from cardops.ports import Incidents
from cardops.ports.alarms import Route
from cardops.rules.alarms.incidents import (
    AlarmPolicy,
    Incident,
    IncidentEvent,
    IncidentState,
    Notice,
    acknowledged,
    due_event,
    look_at,
    resolved,
    sighted,
    told,
)
from cardops.rules.alarms.messages import (
    CLAIMED_FOR,
    AlarmMessage,
    entry_of,
    pause_after,
    subject_of,
    text_of,
)
from cardops.rules.alarms.records import IncidentEntry, IncidentRecord, UnsentMessage
from tests.fakes.clock import FakeClock


@dataclass
class KeptMessage:
    """A message and how far it came. `due_at`: None once it was sent or given up."""

    message: AlarmMessage
    due_at: datetime | None
    is_sent: bool = False
    last_error: str | None = None

    @property
    def has_failed(self) -> bool:
        return not self.is_sent and (self.message.attempt_count > 0 or self.due_at is None)


@dataclass
class FakeIncidents(Incidents):
    """`by_key` holds them."""

    clock: FakeClock = field(default_factory=FakeClock)
    policy: AlarmPolicy = field(default_factory=AlarmPolicy)
    by_key: dict[str, Incident] = field(default_factory=dict)
    entries: dict[int, list[IncidentEntry]] = field(default_factory=dict)
    messages: dict[int, KeptMessage] = field(default_factory=dict)
    _numbers: int = 0
    _message_numbers: int = 0

    @override
    def report(self, notice: Notice, routes: Sequence[Route]) -> Sequence[AlarmMessage]:
        before = self.by_key.get(notice.key)
        after = sighted(before, notice, self.now())
        if before is None:
            self._numbers += 1
            after = replace(after, incident_id=self._numbers)
        return self._tell(after, routes)

    @override
    def resolve(
        self, key: str, why: str, routes: Sequence[Route], *, by: str | None = None
    ) -> Sequence[AlarmMessage]:
        incident = self.by_key.get(key)
        if incident is None or incident.state is IncidentState.RESOLVED:
            return []
        return self._tell(resolved(incident, by, why, self.now()), routes)

    @override
    def acknowledge(self, incident_id: int, by: str, note: str | None) -> Incident | None:
        record = self.find(incident_id)
        if record is None or record.incident.state is IncidentState.RESOLVED:
            return record.incident if record else None
        after = acknowledged(record.incident, by, note, self.now())
        self.by_key[after.key] = after
        self._enter(incident_id, "acknowledged", by, note or "")
        return after

    @override
    def tend(self, routes: Sequence[Route]) -> Sequence[AlarmMessage]:
        return [
            message for incident in self._to_look_at() for message in self._tell(incident, routes)
        ]

    @override
    def due_messages(self, limit: int) -> Sequence[AlarmMessage]:
        due = sorted(
            (kept.due_at, number)
            for number, kept in self.messages.items()
            if kept.due_at is not None and kept.due_at <= self.now()
        )
        claimed = sorted(number for _, number in due[:limit])
        for number in claimed:
            self.messages[number].due_at = self.now() + CLAIMED_FOR
        return [self.messages[number].message for number in claimed]

    @override
    def failing_channels(self) -> Collection[str]:
        return {
            kept.message.channel
            for kept in self.messages.values()
            if kept.due_at is not None and kept.message.attempt_count > 0
        }

    @override
    def sent(self, message_id: int) -> None:
        kept = self._tried(message_id)
        if kept is not None:
            kept.due_at, kept.last_error, kept.is_sent = None, None, True

    @override
    def failed(self, message_id: int, error: str) -> None:
        kept = self._tried(message_id)
        if kept is not None:
            pause = pause_after(kept.message.attempt_count)
            kept.due_at, kept.last_error = self.now() + pause if pause else None, error

    @override
    def postpone(self, message_ids: Sequence[int]) -> None:
        for message_id in message_ids:
            kept = self.messages.get(message_id)
            if kept is not None and not kept.is_sent:
                kept.due_at = self.now()

    @override
    def glance(self) -> tuple[bool, Sequence[str]]:
        is_due = any(
            kept.due_at is not None and kept.due_at <= self.now() for kept in self.messages.values()
        )
        return is_due or bool(self._to_look_at()), self.open_keys("")

    @override
    def open_keys(self, prefix: str) -> Sequence[str]:
        return sorted(
            key
            for key, incident in self.by_key.items()
            if key.startswith(prefix) and incident.state is not IncidentState.RESOLVED
        )

    @override
    def find(self, incident_id: int) -> IncidentRecord | None:
        for incident in self.by_key.values():
            if incident.incident_id == incident_id:
                return replace(self._record(incident), history=list(self.entries[incident_id]))
        return None

    @override
    def all(self, states: Collection[IncidentState], limit: int) -> Sequence[IncidentRecord]:
        found = [incident for incident in self.by_key.values() if incident.state in states]
        found.sort(key=_rank)
        return [self._record(incident) for incident in found[:limit]]

    @override
    def forget(self, before: datetime) -> int:
        waiting = {
            kept.message.incident_id for kept in self.messages.values() if kept.due_at is not None
        }
        gone = [
            incident
            for incident in self.by_key.values()
            if incident.resolved_at is not None
            and incident.resolved_at < before
            and incident.incident_id not in waiting
        ]
        numbers = {incident.incident_id for incident in gone}
        for incident in gone:
            del self.by_key[incident.key], self.entries[incident.incident_id]
        self.messages = {
            number: kept
            for number, kept in self.messages.items()
            if kept.message.incident_id not in numbers
        }
        return len(gone)

    @override
    def now(self) -> datetime:
        return self.clock.now()

    def _to_look_at(self) -> list[Incident]:
        looks = ((look_at(item, self.policy), item) for item in list(self.by_key.values()))
        return [item for at, item in looks if at is not None and at <= self.now()]

    def _record(self, incident: Incident) -> IncidentRecord:
        unsent = [
            UnsentMessage(
                kept.message.channel,
                kept.message.event,
                kept.message.attempt_count,
                kept.last_error,
            )
            for kept in self.messages.values()
            if kept.message.incident_id == incident.incident_id and kept.has_failed
        ]
        return IncidentRecord(incident, unsent=unsent)

    def _tried(self, message_id: int) -> KeptMessage | None:
        kept = self.messages.get(message_id)
        if kept is not None:
            count = kept.message.attempt_count + 1
            kept.message = replace(kept.message, attempt_count=count)
        return kept

    def _enter(self, incident_id: int, event: str, actor: str | None, text: str) -> None:
        entry = IncidentEntry(self.now(), event, actor, text)
        self.entries.setdefault(incident_id, []).append(entry)

    def _tell(self, incident: Incident, routes: Iterable[Route]) -> list[AlarmMessage]:
        event = due_event(incident, self.now(), self.policy)
        had_escalated = incident.escalated_at is not None
        after = told(incident, event, self.now()) if event else incident
        self.by_key[after.key] = after
        self.entries.setdefault(after.incident_id, [])
        if event is None:
            return []
        actor = after.resolved_by if event is IncidentEvent.RESOLVED else None
        self._enter(after.incident_id, event, actor, entry_of(after, event))
        is_loud = event is IncidentEvent.ESCALATED or had_escalated
        return [
            self._add_message(after, event, route.name)
            for route in routes
            if is_loud or not route.is_for_escalations
        ]

    def _add_message(self, incident: Incident, event: IncidentEvent, channel: str) -> AlarmMessage:
        self._message_numbers += 1
        message = AlarmMessage(
            message_id=self._message_numbers,
            incident_id=incident.incident_id,
            incident=incident.key,
            channel=channel,
            event=event,
            severity=incident.severity,
            subject=subject_of(incident, event),
            message=text_of(incident, event),
            runbook=incident.runbook,
            told_at=self.now(),
        )
        self.messages[message.message_id] = KeptMessage(message, self.now() + CLAIMED_FOR)
        return message


def _rank(incident: Incident) -> tuple[bool, int, float, int]:
    """Unresolved before resolved; of the first the worst; then the newest."""
    is_over = incident.state is IncidentState.RESOLVED
    severity = 0 if is_over else -incident.severity.rank
    return is_over, severity, -incident.last_seen_at.timestamp(), -incident.incident_id
