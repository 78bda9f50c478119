-- One row for each incident that operators are told of, and what they were told last (told_*).
create table alarm_incidents (
    incident_id bigint generated always as identity primary key,
    incident_key text not null collate "C" unique check (incident_key <> ''),
    subject text not null,
    message text not null,
    runbook text,
    severity text not null check (severity in ('warning', 'error', 'critical')),
    state text not null check (state in ('open', 'acknowledged', 'resolved')),
    first_seen_at timestamptz not null,
    opened_at timestamptz not null,
    last_seen_at timestamptz not null,
    seen_count bigint not null check (seen_count > 0),
    opened_count bigint not null check (opened_count > 0),
    acknowledged_by text,
    acknowledged_at timestamptz,
    note text,
    escalated_at timestamptz,
    resolved_by text,
    resolved_at timestamptz,
    resolution text,
    told_event text,
    told_at timestamptz,
    told_severity text,
    told_subject text,
    -- When there is something to tell though nobody sees the incident again; null where never.
    look_at timestamptz,
    check ((state = 'acknowledged') <= (acknowledged_by is not null)),
    check ((state = 'resolved') = (resolved_at is not null))
);
create index alarm_incidents_look on alarm_incidents (look_at) where look_at is not null;
create index alarm_incidents_unresolved on alarm_incidents (incident_key) where state <> 'resolved';
create index alarm_incidents_newest on alarm_incidents (state, last_seen_at desc);

-- What happened to each, who did it, and what was said of it.
create table alarm_events (
    event_id bigint generated always as identity primary key,
    incident_id bigint not null references alarm_incidents,
    at timestamptz not null,
    event text not null,
    actor text,
    note text not null
);
create index alarm_events_of_incident on alarm_events (incident_id, event_id);

-- One row for each message to each channel: stored with the change of which it tells, sent afterwards.
create table alarm_messages (
    message_id bigint generated always as identity primary key,
    incident_id bigint not null references alarm_incidents,
    channel text not null collate "C",
    event text not null,
    severity text not null,
    subject text not null,
    message text not null,
    told_at timestamptz not null,
    attempt_count integer not null default 0,
    -- When it is to be sent, or taken over from a sender that ended; null once sent or given up.
    due_at timestamptz,
    sent_at timestamptz,
    last_error text
);
create index alarm_messages_due on alarm_messages (due_at) where due_at is not null;
create index alarm_messages_of_incident on alarm_messages (incident_id, message_id);
