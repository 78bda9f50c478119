-- What operators recorded about disputes, and the alarms that were raised of their deadlines.

-- Append-only. The `opening_number`th time that the dispute is at the stage: a dispute that is open
-- again starts anew, so a decision counts for its own opening alone. `owner` is null where nobody
-- works on the dispute any more.
create table dispute_records (
    program text not null collate "C",
    network text not null collate "C",
    case_number text not null collate "C",
    record_number integer not null check (record_number > 0),
    kind text not null check (kind in ('assign', 'note', 'accept', 'close', 'reopen')),
    stage text not null,
    opening_number integer not null check (opening_number > 0),
    owner text,
    record_text text not null,
    recorded_by text not null,
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (program, network, case_number, record_number)
);

-- One row for each alarm: its opening, its deadline, and how near that was. It is written before the
-- alarm is sent, so that no alarm is sent twice; one without `sent_at` may not have been sent.
create table dispute_alarms (
    program text not null collate "C",
    network text not null collate "C",
    case_number text not null collate "C",
    stage text not null collate "C",
    opening_number integer not null,
    reply_by_on date not null,
    level text not null check (level in ('due_in_7', 'due_in_3', 'due_in_1', 'missed')),
    raised_at timestamptz not null default clock_timestamp(),
    sent_at timestamptz,
    primary key (program, network, case_number, stage, opening_number, reply_by_on, level)
);
create index dispute_alarms_unsent on dispute_alarms (raised_at)
where sent_at is null;
