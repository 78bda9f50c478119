"""Incidents on PostgreSQL: one row each, changed by one process at a time, with its messages."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from cardops.adapters.postgresql import incident_statements as sql
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
    entry_of,
    pause_after,
    subject_of,
    text_of,
)
from cardops.rules.alarms.records import IncidentEntry, IncidentRecord, UnsentMessage

# Incidents of one transaction that removes old ones.
FORGOTTEN_AT_ONCE: Final = 500
# What is due by the clock alone; the others follow in the next look.
MAX_TENDED: Final = 200
MAX_ERROR_CHARACTERS: Final = 500


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
            incident, added = None, None
            while incident is None:  # An old one may be removed between the two.
                added = session.execute(sql.ADD, [notice.key, *fields, now, now, now]).fetchone()
                incident = _locked(session, sql.OF_KEY, notice.key)
            after = incident if added else sighted(incident, notice, now)
            return self._tell(session, after, now, routes)

        return run_in_transaction(self._url, store)

    def resolve(
        self, key: str, why: str, routes: Sequence[Route], *, by: str | None = None
    ) -> Sequence[AlarmMessage]:
        """Record that the cause is gone; nothing where no such incident is open."""

        def store(session: psycopg.Connection) -> list[AlarmMessage]:
            now = self._now(session)
            incident = _locked(session, sql.OF_KEY, key)
            if incident is None or incident.state is IncidentState.RESOLVED:
                return []
            return self._tell(session, resolved(incident, by, why, now), now, routes)

        return run_in_transaction(self._url, store)

    def acknowledge(self, incident_id: int, by: str, note: str | None) -> Incident | None:
        """Record that somebody sees to it. A resolved one stays resolved; None where there is none."""

        def store(session: psycopg.Connection) -> Incident | None:
            now = self._now(session)
            incident = _locked(session, sql.OF_ID, incident_id)
            if incident is None:
                return None
            if incident.state is IncidentState.RESOLVED:  # guard: resolved-not-acknowledged
                return incident
            after = acknowledged(incident, by, note, now)
            self._store(session, after)
            session.execute(sql.EVENT, [incident_id, now, "acknowledged", by, note or ""])
            return after

        return run_in_transaction(self._url, store)

    def tend(self, routes: Sequence[Route]) -> Sequence[AlarmMessage]:
        """Tell what time alone has made due: escalations, and what was kept back for a pause."""

        def due(session: psycopg.Connection) -> list[int]:
            rows = session.execute(sql.LOOK, [self._now(session), MAX_TENDED])
            return [incident_id for (incident_id,) in rows]

        def look(incident_id: int) -> Sequence[AlarmMessage]:
            def store(session: psycopg.Connection) -> list[AlarmMessage]:
                incident = _locked(session, sql.OF_ID, incident_id)
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
            ids = [message_id for (message_id,) in session.execute(sql.DUE, [now, limit])]
            if not ids:
                return []
            until = now + CLAIMED_FOR  # guard: alarm-claimed-by-its-sender
            rows = session.execute(sql.CLAIM, [until, ids]).fetchall()
            return sorted(map(_message, rows), key=lambda message: message.message_id)

        return run_in_transaction(self._url, claim)

    def failing_channels(self) -> Collection[str]:
        """Channels whose last messages failed: trying them again is left to `due_messages`."""
        rows = run_in_transaction(
            self._url, lambda session: session.execute(sql.FAILING).fetchall()
        )
        return {channel for (channel,) in rows}

    def sent(self, message_id: int) -> None:
        """Record that the channel took it."""
        run_in_transaction(self._url, lambda session: session.execute(sql.SENT, [message_id]))

    def failed(self, message_id: int, error: str) -> None:
        """Record why it did not; it is due again later."""

        def store(session: psycopg.Connection) -> None:
            now = self._now(session)
            row = session.execute(
                sql.ATTEMPTS, [error[:MAX_ERROR_CHARACTERS], message_id]
            ).fetchone()
            pause = pause_after(row[0]) if row else None
            session.execute(sql.DUE_AGAIN, [now + pause if pause else None, message_id])

        run_in_transaction(self._url, store)

    def postpone(self, message_ids: Sequence[int]) -> None:
        """Give claimed messages back unsent; `due_messages` hands them out next."""
        if not message_ids:
            return

        def store(session: psycopg.Connection) -> None:
            session.execute(sql.POSTPONE, [self._now(session), list(message_ids)])

        run_in_transaction(self._url, store)

    def glance(self) -> tuple[bool, Sequence[str]]:
        """Whether anything is due to be told or sent, and the keys of unresolved incidents."""

        def read(session: psycopg.Connection) -> tuple[bool, Sequence[str]]:
            now = self._now(session)
            row = session.execute(sql.GLANCE, [now, now]).fetchone()
            return (row[0], row[1]) if row else (False, [])

        return run_in_transaction(self._url, read)

    def open_keys(self, prefix: str) -> Sequence[str]:
        """Keys of unresolved incidents that begin with it, in order."""
        rows = run_in_transaction(
            self._url, lambda session: session.execute(sql.OPEN_KEYS, [prefix, prefix]).fetchall()
        )
        return [key for (key,) in rows]

    def find(self, incident_id: int) -> IncidentRecord | None:
        """One incident with its history."""

        def read(session: psycopg.Connection) -> IncidentRecord | None:
            found = _incidents(session, sql.FIND, [incident_id])
            if not found:
                return None
            history = [
                IncidentEntry(*row)
                for row in session.execute(sql.HISTORY, [incident_id]).fetchall()
            ]
            return IncidentRecord(found[0], history, _unsent(session, found)[incident_id])

        return run_in_transaction(self._url, read)

    def all(self, states: Collection[IncidentState], limit: int) -> Sequence[IncidentRecord]:
        """Incidents in these states, the worst and newest first, without their history."""

        def read(session: psycopg.Connection) -> list[IncidentRecord]:
            found = _incidents(session, sql.UNRESOLVED, [sorted(states), limit])
            if IncidentState.RESOLVED in states and len(found) < limit:
                found += _incidents(session, sql.RESOLVED, [limit - len(found)])
            unsent = _unsent(session, found)
            return [
                IncidentRecord(incident, unsent=unsent[incident.incident_id]) for incident in found
            ]

        return run_in_transaction(self._url, read)

    def forget(self, before: datetime) -> int:
        """Remove what ended before that instant, some at a time; may be repeated at any time."""
        values = {"before": before, "limit": FORGOTTEN_AT_ONCE}

        def remove(session: psycopg.Connection) -> int:
            return session.execute(sql.FORGET, values).rowcount

        count = 0
        while removed := run_in_transaction(self._url, remove):
            count += removed
        return count

    def now(self) -> datetime:
        """The clock by which incidents are dated."""
        return run_in_transaction(self._url, self._now)

    def _now(self, session: psycopg.Connection) -> datetime:
        if self._clock is not None:
            return self._clock()
        row = session.execute(sql.NOW).fetchone()
        if row is None:
            raise LookupError(sql.NOW)
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
        after = told(incident, event, now) if event else incident  # guard: alarm-known-as-told
        self._store(session, after)
        if event is None:
            return []
        text = text_of(after, event)
        actor = after.resolved_by if event is IncidentEvent.RESOLVED else None
        session.execute(sql.EVENT, [after.incident_id, now, event, actor, entry_of(after, event)])
        is_loud = event is IncidentEvent.ESCALATED or had_escalated
        return [
            _add_message(session, after, event, route.name, text)
            for route in routes
            if is_loud or not route.is_for_escalations
        ]

    def _store(self, session: psycopg.Connection, incident: Incident) -> None:
        values = [getattr(incident, name) for name in sql.CHANGED]
        look = look_at(incident, self._policy)
        session.execute(sql.CHANGE, [*values, look, incident.incident_id])


def _add_message(
    session: psycopg.Connection, incident: Incident, event: IncidentEvent, channel: str, text: str
) -> AlarmMessage:
    at = incident.told_at or incident.last_seen_at
    subject = subject_of(incident, event)
    values = [incident.incident_id, channel, event, incident.severity, subject, text, at]
    due_at = at + CLAIMED_FOR  # guard: alarm-claimed-by-its-maker
    row = session.execute(sql.MESSAGE, [*values, due_at]).fetchone()
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
    for incident_id, *rest in session.execute(sql.UNSENT, [list(found)]):
        found[incident_id].append(UnsentMessage(*rest))
    return found
