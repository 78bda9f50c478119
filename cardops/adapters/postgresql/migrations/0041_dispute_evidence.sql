-- Evidence of disputes: files that people added, and what was sent of it. New, empty tables, and columns
-- of the deliveries that are null for files without evidence.

-- Append-only. A file is stored under the hash of its bytes; one that is removed stays on record, and may
-- be added again. The last change of an item's file says whether it counts.
create table dispute_evidence (
    program text not null collate "C",
    network text not null collate "C",
    case_number text not null collate "C",
    change_number integer not null check (change_number > 0),
    is_removed boolean not null,
    item text not null,
    content_sha256 text not null,
    file_name text not null,
    media_type text not null,
    size_bytes bigint not null check (size_bytes > 0),
    changed_by text not null,
    why text not null,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (program, network, case_number, change_number)
);

-- Append-only: what was sent for which opening of a dispute, in which batch, with the row whose line goes
-- with it. `manifest` is the exact text that is sent, `files` what lies beside it; neither changes, so
-- that files which are made again have the same bytes.
create table evidence_packages (
    program text not null collate "C",
    network text not null collate "C",
    case_number text not null collate "C",
    package_number integer not null check (package_number > 0),
    stage text not null,
    opening_number integer not null,
    batch_id text not null,
    action text not null,
    manifest text not null,
    files jsonb not null,
    sent_by text not null,
    why text not null,
    sent_at timestamptz not null default clock_timestamp(),
    primary key (program, network, case_number, package_number)
);
create unique index evidence_packages_by_batch
on evidence_packages (batch_id, network, case_number);

-- The archive of evidence beside a CSV, and its encrypted bytes.
alter table deliveries add column evidence_sha256 text;
alter table deliveries add column encrypted_evidence_sha256 text;
