"""Incidents on PostgreSQL: one row each, changed by one process at a time, with its messages."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from cardops.adapters.postgresql.transactions import run_in_transaction
from cardops.ports.alarms import Route
from cardops.rules.alarms.incidents import (
    AlarmPolicy,
    Incident,
    IncidentEvent,
    IncidentState,
    Notice,
    Severity,
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
    pause_after,
    subject_of,
    text_of,
)
from cardops.rules.alarms.records import IncidentEntry, IncidentRecord, UnsentMessage

# What is due by the clock alone; the others follow in the next look.
MAX_TENDED: Final = 200
MAX_ERROR_CHARACTERS: Final = 500
_CHANGED: Final = (
    *("subject", "message", "runbook", "severity", "state", "opened_at", "last_seen_at"),
    *("seen_count", "opened_count", "acknowledged_by", "acknowledged_at", "note", "escalated_at"),
    *("resolved_by", "resolved_at", "resolution", "told_event", "told_at", "told_severity"),
    "told_subject",
)
_NAMES: Final = ", ".join(_CHANGED)
_COLUMNS: Final = f"incident_id, incident_key, first_seen_at, {_NAMES}"
_NOW: Final = "select clock_timestamp()"
# Two processes at once: the second waits for the first's commit and finds its row.
_ADD: Final = (
    "insert into alarm_incidents (incident_key, subject, message, runbook, severity, state,"
    " first_seen_at, opened_at, last_seen_at, seen_count, opened_count)"
    " values (%s, %s, %s, %s, %s, 'open', %s, %s, %s, 1, 1)"
    " on conflict (incident_key) do nothing returning incident_id"
)
_OF_KEY: Final = f"select {_COLUMNS} from alarm_incidents where incident_key = %s for update"  # noqa: S608 - only our own names
_OF_ID: Final = f"select {_COLUMNS} from alarm_incidents where incident_id = %s for update"  # noqa: S608 - only our own names
_VALUES: Final = ", ".join(["%s"] * len(_CHANGED))
_CHANGE: Final = (
    f"update alarm_incidents set ({_NAMES}, look_at) = ({_VALUES}, %s) where incident_id = %s"  # noqa: S608 - only our own names
)
_EVENT: Final = (
    "insert into alarm_events (incident_id, at, event, actor, note) values (%s, %s, %s, %s, %s)"
)
_MESSAGE: Final = (
    "insert into alarm_messages (incident_id, channel, event, severity, subject, message, told_at,"
    " due_at) values (%s, %s, %s, %s, %s, %s, %s, %s) returning message_id"
)
_LOOK: Final = (
    "select incident_id from alarm_incidents where look_at <= %s order by look_at limit %s"
)
_DUE: Final = (
    "select message_id from alarm_messages where due_at <= %s order by due_at limit %s"
    " for update skip locked"
)
_CLAIM: Final = (
    "update alarm_messages set due_at = %s from alarm_incidents"
    " where message_id = any(%s) and alarm_incidents.incident_id = alarm_messages.incident_id"
    " returning message_id, alarm_messages.incident_id, incident_key, channel, event,"
    " alarm_messages.severity, alarm_messages.subject, alarm_messages.message, runbook,"
    " alarm_messages.told_at, attempt_count"
)
_FAILING: Final = (
    "select distinct channel from alarm_messages where due_at is not null and attempt_count > 0"
)
_SENT: Final = (
    "update alarm_messages set sent_at = clock_timestamp(), due_at = null, last_error = null,"
    " attempt_count = attempt_count + 1 where message_id = %s"
)
_ATTEMPTS: Final = (
    "update alarm_messages set attempt_count = attempt_count + 1, last_error = %s"
    " where message_id = %s returning attempt_count"
)
_DUE_AGAIN: Final = "update alarm_messages set due_at = %s where message_id = %s"
_POSTPONE: Final = (
    "update alarm_messages set due_at = %s where message_id = any(%s) and sent_at is null"
)
_OPEN_KEYS: Final = (
    "select incident_key from alarm_incidents where state <> 'resolved'"
    " and incident_key >= %s and starts_with(incident_key, %s) order by incident_key"
)
_GLANCE: Final = (
    "select exists (select from alarm_incidents where look_at <= %s)"
    " or exists (select from alarm_messages where due_at <= %s),"
    " array(select incident_key from alarm_incidents where state <> 'resolved' order by incident_key)"
)
_FIND: Final = f"select {_COLUMNS} from alarm_incidents where incident_id = %s"  # noqa: S608 - only our own names
_UNRESOLVED: Final = (
    f"select {_COLUMNS} from alarm_incidents where state <> 'resolved' and state = any(%s)"  # noqa: S608 - only our own names
    " order by array_position(array['critical', 'error', 'warning'], severity),"
    " last_seen_at desc, incident_id desc limit %s"
)
_RESOLVED: Final = (
    f"select {_COLUMNS} from alarm_incidents where state = 'resolved'"  # noqa: S608 - only our own names
    " order by last_seen_at desc limit %s"
)
_HISTORY: Final = (
    "select at, event, actor, note from alarm_events where incident_id = %s order by event_id"
)
_UNSENT: Final = (
    "select incident_id, channel, event, attempt_count, last_error from alarm_messages"
    " where incident_id = any(%s) and sent_at is null and (attempt_count > 0 or due_at is null)"
    " order by message_id"
)

_Change = Callable[[Incident, datetime], Incident]


class PostgresIncidents:
    """Implements cardops.ports.Incidents. Holds no session between calls.

    `clock` replaces the database's clock in tests.
    """

    def __init__(
        self,
        url: str,
        policy: AlarmPolicy | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._url = url
        self._policy = policy or AlarmPolicy()
        self._clock = clock

    def report(self, notice: Notice, routes: Sequence[Route]) -> Sequence[AlarmMessage]:
        """Record one sighting; of two processes at once one opens the incident."""

        def store(session: psycopg.Connection) -> list[AlarmMessage]:
            now = self._now(session)
            fields = (notice.subject, notice.message, notice.runbook, notice.severity)
            added = session.execute(_ADD, [notice.key, *fields, now, now, now]).fetchone()
            incident = _locked(session, _OF_KEY, notice.key)
            if incident is None:
                raise LookupError(notice.key)
            after = incident if added else sighted(incident, notice, now)
            return self._tell(session, after, now, routes)

        return run_in_transaction(self._url, store)

    def resolve(
        self, key: str, why: str, routes: Sequence[Route], *, by: str | None = None
    ) -> Sequence[AlarmMessage]:
        """Record that the cause is gone; nothing where no such incident is open."""

        def store(session: psycopg.Connection) -> list[AlarmMessage]:
            now = self._now(session)
            incident = _locked(session, _OF_KEY, key)
            if incident is None or incident.state is IncidentState.RESOLVED:
                return []
            return self._tell(session, resolved(incident, by, why, now), now, routes)

        return run_in_transaction(self._url, store)

    def acknowledge(self, incident_id: int, by: str, note: str | None) -> Incident | None:
        """Record that somebody sees to it. A resolved one stays resolved; None where there is none."""

        def store(session: psycopg.Connection) -> Incident | None:
            now = self._now(session)
            incident = _locked(session, _OF_ID, incident_id)
            if incident is None or incident.state is IncidentState.RESOLVED:
                return incident
            after = acknowledged(incident, by, note, now)
            self._store(session, after)
            session.execute(_EVENT, [incident_id, now, "acknowledged", by, note or ""])
            return after

        return run_in_transaction(self._url, store)

    def tend(self, routes: Sequence[Route]) -> Sequence[AlarmMessage]:
        """Tell what time alone has made due: escalations, and what was kept back for a pause."""

        def due(session: psycopg.Connection) -> list[int]:
            rows = session.execute(_LOOK, [self._now(session), MAX_TENDED])
            return [incident_id for (incident_id,) in rows]

        def look(incident_id: int) -> Sequence[AlarmMessage]:
            def store(session: psycopg.Connection) -> list[AlarmMessage]:
                incident = _locked(session, _OF_ID, incident_id)
                now = self._now(session)
                return self._tell(session, incident, now, routes) if incident else []

            return run_in_transaction(self._url, store)

        # Each in a transaction of its own: two processes that tend never deadlock.
        found = run_in_transaction(self._url, due)
        return [message for incident_id in found for message in look(incident_id)]

    def due_messages(self, limit: int) -> Sequence[AlarmMessage]:
        """Messages that failed or whose sender ended, claimed."""

        def claim(session: psycopg.Connection) -> list[AlarmMessage]:
            now = self._now(session)
            ids = [message_id for (message_id,) in session.execute(_DUE, [now, limit])]
            if not ids:
                return []
            rows = session.execute(_CLAIM, [now + CLAIMED_FOR, ids]).fetchall()
            return sorted(map(_message, rows), key=lambda message: message.message_id)

        return run_in_transaction(self._url, claim)

    def failing_channels(self) -> Collection[str]:
        """Channels whose last messages failed: trying them again is left to `due_messages`."""
        rows = run_in_transaction(self._url, lambda session: session.execute(_FAILING).fetchall())
        return {channel for (channel,) in rows}

    def sent(self, message_id: int) -> None:
        """Record that the channel took it."""
        run_in_transaction(self._url, lambda session: session.execute(_SENT, [message_id]))

    def failed(self, message_id: int, error: str) -> None:
        """Record why it did not; it is due again later."""

        def store(session: psycopg.Connection) -> None:
            now = self._now(session)
            row = session.execute(_ATTEMPTS, [error[:MAX_ERROR_CHARACTERS], message_id]).fetchone()
            pause = pause_after(row[0]) if row else None
            session.execute(_DUE_AGAIN, [now + pause if pause else None, message_id])

        run_in_transaction(self._url, store)

    def postpone(self, message_ids: Sequence[int]) -> None:
        """Give claimed messages back unsent; `due_messages` hands them out next."""
        if not message_ids:
            return

        def store(session: psycopg.Connection) -> None:
            session.execute(_POSTPONE, [self._now(session), list(message_ids)])

        run_in_transaction(self._url, store)

    def glance(self) -> tuple[bool, Sequence[str]]:
        """Whether anything is due to be told or sent, and the keys of unresolved incidents."""

        def read(session: psycopg.Connection) -> tuple[bool, Sequence[str]]:
            now = self._now(session)
            row = session.execute(_GLANCE, [now, now]).fetchone()
            return (row[0], row[1]) if row else (False, [])

        return run_in_transaction(self._url, read)

    def open_keys(self, prefix: str) -> Sequence[str]:
        """Keys of unresolved incidents that begin with it, in order."""
        rows = run_in_transaction(
            self._url, lambda session: session.execute(_OPEN_KEYS, [prefix, prefix]).fetchall()
        )
        return [key for (key,) in rows]

    def find(self, incident_id: int) -> IncidentRecord | None:
        """One incident with its history."""

        def read(session: psycopg.Connection) -> IncidentRecord | None:
            found = _incidents(session, _FIND, [incident_id])
            if not found:
                return None
            history = [
                IncidentEntry(*row) for row in session.execute(_HISTORY, [incident_id]).fetchall()
            ]
            return IncidentRecord(found[0], history, _unsent(session, found)[incident_id])

        return run_in_transaction(self._url, read)

    def all(self, states: Collection[IncidentState], limit: int) -> Sequence[IncidentRecord]:
        """Incidents in these states, the worst and newest first, without their history."""

        def read(session: psycopg.Connection) -> list[IncidentRecord]:
            found = _incidents(session, _UNRESOLVED, [sorted(states), limit])
            if IncidentState.RESOLVED in states and len(found) < limit:
                found += _incidents(session, _RESOLVED, [limit - len(found)])
            unsent = _unsent(session, found)
            return [
                IncidentRecord(incident, unsent=unsent[incident.incident_id]) for incident in found
            ]

        return run_in_transaction(self._url, read)

    def now(self) -> datetime:
        """The clock by which incidents are dated."""
        return run_in_transaction(self._url, self._now)

    def _now(self, session: psycopg.Connection) -> datetime:
        if self._clock is not None:
            return self._clock()
        row = session.execute(_NOW).fetchone()
        if row is None:
            raise LookupError(_NOW)
        now: datetime = row[0]
        return now

    def _tell(
        self,
        session: psycopg.Connection,
        incident: Incident,
        now: datetime,
        routes: Sequence[Route],
    ) -> list[AlarmMessage]:
        """Store the incident, and with it the messages that are due of it now."""
        event = due_event(incident, now, self._policy)
        had_escalated = incident.escalated_at is not None
        after = told(incident, event, now) if event else incident
        self._store(session, after)
        if event is None:
            return []
        text = text_of(after, event)
        actor = after.resolved_by if event is IncidentEvent.RESOLVED else None
        session.execute(_EVENT, [after.incident_id, now, event, actor, text])
        is_loud = event is IncidentEvent.ESCALATED or had_escalated
        return [
            _add_message(session, after, event, route.name, text)
            for route in routes
            if is_loud or not route.is_for_escalations
        ]

    def _store(self, session: psycopg.Connection, incident: Incident) -> None:
        values = [getattr(incident, name) for name in _CHANGED]
        look = look_at(incident, self._policy)
        session.execute(_CHANGE, [*values, look, incident.incident_id])


def _add_message(
    session: psycopg.Connection, incident: Incident, event: IncidentEvent, channel: str, text: str
) -> AlarmMessage:
    at = incident.told_at or incident.last_seen_at
    subject = subject_of(incident, event)
    values = [incident.incident_id, channel, event, incident.severity, subject, text, at]
    row = session.execute(_MESSAGE, [*values, at + CLAIMED_FOR]).fetchone()
    return AlarmMessage(
        message_id=row[0] if row else 0,
        incident_id=incident.incident_id,
        incident=incident.key,
        channel=channel,
        event=event,
        severity=incident.severity,
        subject=subject,
        message=text,
        runbook=incident.runbook,
        told_at=at,
    )


def _message(row: tuple[Any, ...]) -> AlarmMessage:
    message_id, incident_id, key, channel, event, severity, *rest = row
    return AlarmMessage(
        *(message_id, incident_id, key, channel, IncidentEvent(event), Severity(severity), *rest)
    )


def _locked(session: psycopg.Connection, statement: str, key: str | int) -> Incident | None:
    found = _incidents(session, statement, [key])
    return found[0] if found else None


def _incidents(
    session: psycopg.Connection, statement: str, parameters: Sequence[Any]
) -> list[Incident]:
    with session.cursor(row_factory=dict_row) as cursor:
        cursor.execute(statement.encode(), parameters)
        return [_incident(row) for row in cursor.fetchall()]


def _incident(row: dict[str, Any]) -> Incident:
    told_event, told_severity = row["told_event"], row["told_severity"]
    typed = {
        "severity": Severity(row["severity"]),
        "state": IncidentState(row["state"]),
        "told_event": IncidentEvent(told_event) if told_event else None,
        "told_severity": Severity(told_severity) if told_severity else None,
    }
    key = row.pop("incident_key")
    return Incident(key=key, **{**row, **typed})


def _unsent(
    session: psycopg.Connection, incidents: Sequence[Incident]
) -> dict[int, list[UnsentMessage]]:
    found: dict[int, list[UnsentMessage]] = {incident.incident_id: [] for incident in incidents}
    for incident_id, *rest in session.execute(_UNSENT, [list(found)]):
        found[incident_id].append(UnsentMessage(*rest))
    return found
