"""The statements of incidents: see incidents for when each is sent."""

from typing import Final

CHANGED: Final = (
    *("subject", "message", "runbook", "severity", "state", "opened_at", "last_seen_at"),
    *("seen_count", "opened_count", "acknowledged_by", "acknowledged_at", "note", "escalated_at"),
    *("resolved_by", "resolved_at", "resolution", "told_event", "told_at", "told_severity"),
    "told_subject",
)
NAMES: Final = ", ".join(CHANGED)
COLUMNS: Final = f"incident_id, incident_key, first_seen_at, {NAMES}"
NOW: Final = "select clock_timestamp()"
# Two processes at once: the second waits for the first's commit and finds its row.
ADD: Final = (
    "insert into alarm_incidents (incident_key, subject, message, runbook, severity, state,"
    " first_seen_at, opened_at, last_seen_at, seen_count, opened_count)"
    " values (%s, %s, %s, %s, %s, 'open', %s, %s, %s, 1, 1)"
    " on conflict (incident_key) do nothing returning incident_id"
)
LOCK: Final = "for update"  # guard: one-process-an-incident
OF_KEY: Final = f"select {COLUMNS} from alarm_incidents where incident_key = %s {LOCK}"  # noqa: S608 - only our own names
OF_ID: Final = f"select {COLUMNS} from alarm_incidents where incident_id = %s {LOCK}"  # noqa: S608 - only our own names
VALUES: Final = ", ".join(["%s"] * len(CHANGED))
CHANGE: Final = (
    f"update alarm_incidents set ({NAMES}, look_at) = ({VALUES}, %s) where incident_id = %s"  # noqa: S608 - only our own names
)
EVENT: Final = (
    "insert into alarm_events (incident_id, at, event, actor, note) values (%s, %s, %s, %s, %s)"
)
MESSAGE: Final = (
    "insert into alarm_messages (incident_id, channel, event, severity, subject, message, told_at,"
    " due_at) values (%s, %s, %s, %s, %s, %s, %s, %s) returning message_id"
)
LOOK: Final = (
    "select incident_id from alarm_incidents where look_at <= %s order by look_at limit %s"
)
DUE: Final = (
    "select message_id from alarm_messages where due_at <= %s order by due_at limit %s"
    " for update skip locked"  # guard: alarm-message-of-one-sender
)
CLAIM: Final = (
    "update alarm_messages set due_at = %s from alarm_incidents"
    " where message_id = any(%s) and alarm_incidents.incident_id = alarm_messages.incident_id"
    " returning message_id, alarm_messages.incident_id, incident_key, channel, event,"
    " alarm_messages.severity, alarm_messages.subject, alarm_messages.message, runbook,"
    " alarm_messages.told_at, attempt_count"
)
FAILING: Final = (
    "select distinct channel from alarm_messages where due_at is not null and attempt_count > 0"
)
SENT: Final = (
    "update alarm_messages set sent_at = clock_timestamp(), due_at = null, last_error = null,"
    " attempt_count = attempt_count + 1 where message_id = %s"
)
ATTEMPTS: Final = (
    "update alarm_messages set attempt_count = attempt_count + 1, last_error = %s"
    " where message_id = %s returning attempt_count"
)
DUE_AGAIN: Final = "update alarm_messages set due_at = %s where message_id = %s"
POSTPONE: Final = (
    "update alarm_messages set due_at = %s where message_id = any(%s) and sent_at is null"
)
OPEN_KEYS: Final = (
    "select incident_key from alarm_incidents where state <> 'resolved'"
    " and incident_key >= %s and starts_with(incident_key, %s) order by incident_key"
)
GLANCE: Final = (
    "select exists (select from alarm_incidents where look_at <= %s)"
    " or exists (select from alarm_messages where due_at <= %s),"
    " array(select incident_key from alarm_incidents where state <> 'resolved' order by incident_key)"
)
FIND: Final = f"select {COLUMNS} from alarm_incidents where incident_id = %s"  # noqa: S608 - only our own names
UNRESOLVED: Final = (
    f"select {COLUMNS} from alarm_incidents where state <> 'resolved' and state = any(%s)"  # noqa: S608 - only our own names
    " order by array_position(array['critical', 'error', 'warning'], severity),"
    " last_seen_at desc, incident_id desc limit %s"
)
RESOLVED: Final = (
    f"select {COLUMNS} from alarm_incidents where state = 'resolved'"  # noqa: S608 - only our own names
    " order by last_seen_at desc limit %s"
)
HISTORY: Final = (
    "select at, event, actor, note from alarm_events where incident_id = %s order by event_id"
)
# One that is seen again at this moment is locked, and stays.
FORGET: Final = """
with gone as materialized (
    select incident_id from alarm_incidents
    where state = 'resolved' and last_seen_at < %(before)s and resolved_at < %(before)s
        -- guard-begin: untold-alarm-kept
        and not exists (
            select from alarm_messages
            where alarm_messages.incident_id = alarm_incidents.incident_id and due_at is not null
        )
        -- guard-end: untold-alarm-kept
    order by last_seen_at limit %(limit)s
    for update skip locked
),
events as (delete from alarm_events using gone where alarm_events.incident_id = gone.incident_id),
messages as (
    delete from alarm_messages using gone where alarm_messages.incident_id = gone.incident_id
)
delete from alarm_incidents using gone where alarm_incidents.incident_id = gone.incident_id
"""
UNSENT: Final = (
    "select incident_id, channel, event, attempt_count, last_error from alarm_messages"
    " where incident_id = any(%s) and sent_at is null and (attempt_count > 0 or due_at is null)"
    " order by message_id"
)
