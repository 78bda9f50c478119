-- Files that senders should deliver at known times, and which missing ones were reported.

-- Append-only but for the end: an entry in force has no `removed_at`, and past dates keep theirs.
create table expected_files (
    expected_id bigint generated always as identity primary key,
    program text not null,
    name text not null check (name ~ '^[A-Za-z0-9_.-]{1,64}$'),
    kind text not null,
    name_pattern text not null,
    due_at time not null,
    time_zone text not null,
    weekdays smallint [] not null,
    month_days smallint [] not null,
    holidays text,
    grace_minutes integer not null check (grace_minutes >= 0),
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    removed_by text,
    removed_at timestamptz
);
create unique index expected_files_in_force on expected_files (program, name)
where removed_at is null;

-- One row for each due file that was reported as missing, or that an operator waived.
create table missing_files (
    program text not null,
    name text not null,
    due_at timestamptz not null,
    reported_at timestamptz,
    arrived_as bigint,
    resolved_at timestamptz,
    waived_by text,
    waived_reason text,
    waived_at timestamptz,
    primary key (program, name, due_at)
);
create index missing_files_by_due_time on missing_files (due_at);
