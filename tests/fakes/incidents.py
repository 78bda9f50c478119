"""Incidents in memory; messages are handed out once, as if each were sent."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from typing_extensions import override

from cardops.ports import Incidents
from cardops.ports.alarms import Route
from cardops.rules.alarms.incidents import (
    AlarmPolicy,
    Incident,
    IncidentState,
    Notice,
    acknowledged,
    due_event,
    resolved,
    sighted,
    told,
)
from cardops.rules.alarms.messages import AlarmMessage, subject_of, text_of
from cardops.rules.alarms.records import IncidentRecord
from tests.fakes.clock import FakeClock


@dataclass
class FakeIncidents(Incidents):
    """`by_key` holds them."""

    clock: FakeClock = field(default_factory=FakeClock)
    policy: AlarmPolicy = field(default_factory=AlarmPolicy)
    by_key: dict[str, Incident] = field(default_factory=dict)

    @override
    def report(self, notice: Notice, routes: Sequence[Route]) -> Sequence[AlarmMessage]:
        before = self.by_key.get(notice.key)
        after = sighted(before, notice, self.now())
        number = before.incident_id if before else len(self.by_key) + 1
        return self._tell(replace(after, incident_id=number), routes)

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
        return after

    @override
    def tend(self, routes: Sequence[Route]) -> Sequence[AlarmMessage]:
        return [
            message
            for incident in list(self.by_key.values())
            for message in self._tell(incident, routes)
        ]

    @override
    def due_messages(self, limit: int) -> Sequence[AlarmMessage]:
        return []

    @override
    def failing_channels(self) -> Collection[str]:
        return ()

    @override
    def sent(self, message_id: int) -> None:
        pass

    @override
    def failed(self, message_id: int, error: str) -> None:
        pass

    @override
    def postpone(self, message_ids: Sequence[int]) -> None:
        pass

    @override
    def glance(self) -> tuple[bool, Sequence[str]]:
        return False, self.open_keys("")

    @override
    def open_keys(self, prefix: str) -> Sequence[str]:
        return sorted(
            key
            for key, incident in self.by_key.items()
            if key.startswith(prefix) and incident.state is not IncidentState.RESOLVED
        )

    @override
    def find(self, incident_id: int) -> IncidentRecord | None:
        found = [item for item in self.by_key.values() if item.incident_id == incident_id]
        return IncidentRecord(found[0]) if found else None

    @override
    def all(self, states: Collection[IncidentState], limit: int) -> Sequence[IncidentRecord]:
        found = [item for item in self.by_key.values() if item.state in states]
        found.sort(key=lambda item: (-item.severity.rank, -item.last_seen_at.timestamp()))
        return [IncidentRecord(item) for item in found[:limit]]

    @override
    def now(self) -> datetime:
        return self.clock.now()

    def _tell(self, incident: Incident, routes: Sequence[Route]) -> list[AlarmMessage]:
        event = due_event(incident, self.now(), self.policy)
        after = told(incident, event, self.now()) if event else incident
        self.by_key[after.key] = after
        return [
            AlarmMessage(
                message_id=0,
                incident_id=after.incident_id,
                incident=after.key,
                channel=route.name,
                event=event,
                severity=after.severity,
                subject=subject_of(after, event),
                message=text_of(after, event),
                runbook=after.runbook,
                told_at=self.now(),
            )
            for route in routes
            if event
        ]
