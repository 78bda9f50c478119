-- What programs demand of their deposit files, files that are held for it, and who decided about them.
-- Locks intake_files exclusively while its check is replaced: one row per file is read.

-- `held`: nothing of the file is applied until what it waits for comes, or a person decides.
alter table intake_files drop constraint intake_files_status_check;
alter table intake_files
    add constraint intake_files_status_check
    check (status in ('claimed', 'applying', 'applied', 'refused', 'dead', 'recalled', 'held'));
create index intake_files_held on intake_files (kind, intake_id) where status = 'held';

-- Append-only: the latest row of a program is in force.
create table source_policies (
    change_id bigint generated always as identity primary key,
    program text not null,
    control_policy text not null check (control_policy in ('none', 'required', 'signed')),
    wait_minutes integer not null check (wait_minutes >= 0),
    caps jsonb not null,
    changed_by text not null,
    changed_at timestamptz not null default clock_timestamp()
);
create index source_policies_by_program on source_policies (program, change_id);

create table sender_keys (
    program text not null,
    key_id text not null check (key_id ~ '^[A-Za-z0-9_.-]{1,64}$'),
    public_key bytea not null check (octet_length(public_key) = 32),
    added_by text not null,
    added_at timestamptz not null default clock_timestamp(),
    revoked_by text,
    revoked_at timestamptz,
    primary key (program, key_id)
);

-- A file whose rows may be applied: a later attempt does not ask again.
create table source_checks (
    intake_id bigint primary key,
    control_sha256 text,
    key_id text,
    passed_at timestamptz not null default clock_timestamp()
);

-- The open hold of a held file has no end. `row_count` and `totals` are what an approval is for.
create table file_holds (
    intake_id bigint not null,
    hold_number integer not null,
    reason text not null check (reason in ('control_file', 'approval')),
    sentence text not null,
    row_count bigint not null,
    totals jsonb not null,
    seen_version text,
    held_at timestamptz not null default clock_timestamp(),
    reported_at timestamptz,
    ending text check (ending in ('resumed', 'approved', 'rejected')),
    ended_by text,
    ended_reason text,
    ended_at timestamptz,
    primary key (intake_id, hold_number),
    check ((ending is null) = (ended_at is null))
);

-- Who put a file, recorded before it is put. What a sender put has no entry.
create table file_submitters (
    bucket text not null,
    key text not null,
    submitted_by text not null,
    submitted_at timestamptz not null default clock_timestamp(),
    primary key (bucket, key)
);

-- Files that Cardops made of quarantined rows: their content is that of a file that passed.
create table released_keys (
    bucket text not null,
    key text not null,
    content_sha256 text not null,
    released_at timestamptz not null default clock_timestamp(),
    primary key (bucket, key, content_sha256)
);
